import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { anEvent, append, conformance, type Held } from '../../store/conformance/index.ts'
import type { AppendRequest } from '../../store/events.ts'
import type { StoreFactory, StoreHost } from '../../store/port.ts'
import { memory } from './index.ts'

conformance({
  name: 'memory',
  describe,
  test: (name, body) => test(name, body, 30_000),
  async open() {
    const factory = memory()
    return {
      connect: (host) => factory.open(host),
      hold: (request, host) => hold(factory, request, host),
      dispose: async () => undefined,
    }
  },
})

/** A transaction whose work waits for the test. */
async function hold(factory: StoreFactory, request: AppendRequest, host: StoreHost): Promise<Held> {
  const store = await factory.open(host)
  const begun = Promise.withResolvers<void>()
  const decided = Promise.withResolvers<boolean>()
  const over = store.transaction(async (tx) => {
    tx.append(request)
    begun.resolve()
    if (!(await decided.promise)) throw new Error('rolled back')
  })
  const settled = over.then(
    () => undefined,
    () => undefined,
  )
  await begun.promise
  const end = (commit: boolean) => {
    decided.resolve(commit)
    return settled
  }
  return { commit: () => end(true), rollback: () => end(false) }
}

test('every value of memory() is a log of its own', async () => {
  const clock = { now: () => 1, monotonic: () => 1, after: () => () => undefined }
  const silent = () => undefined
  const logger = { debug: silent, info: silent, warn: silent, error: silent }
  const [one, two] = await Promise.all(
    [memory(), memory()].map((each) => each.open({ clock, logger, durability: 'os' })),
  )
  await one?.append(append(anEvent()))
  assert.deepEqual([await one?.head(), await two?.head()], [1, 0])
})

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { hodisa } from '../index.ts'
import { ItemCounted, KILLER } from './fixtures/abort-worker.ts'
import { eachSharedEngine } from './fixtures/shared-store.ts'

const WORKER = fileURLToPath(new URL('./fixtures/abort-worker.ts', import.meta.url))

eachSharedEngine((open) => {
  test('an event that kills its process is parked, and the 9,999 others are done', async () => {
    const store = await open()
    const app = await hodisa({ source: 'test', store: store.factory, events: [ItemCounted] })
    const supervisor = supervise(store.location)
    try {
      for (let from = 0; from < 10_000; from += 500) {
        await app.publish(Array.from({ length: 500 }, (_, index) => ItemCounted({ number: from + index })))
      }
      await recorded(() => app.services.list())
      await app.settled({ services: ['count'], timeout: '100s' })
      const letters = await app.deadLetters.list()
      expect(letters.map(({ event, error }) => [event.data, error.code])).toEqual([
        [{ number: KILLER }, 'process-killed'],
      ])
      expect(await app.services.list()).toMatchObject([{ service: 'count', parked: 1, retrying: 0 }])
      expect(supervisor.deaths).toBeGreaterThanOrEqual(5)
    } finally {
      await supervisor.stop()
      await app.stop()
      await store.dispose()
    }
  })
})

/** Starts the worker, and starts it again whenever it has died. */
function supervise(location: string) {
  let stopping = false
  let child: ChildProcess
  const state = { deaths: 0, stop: async () => {} }
  const start = () => {
    child = spawn(process.execPath, [WORKER, location], { stdio: 'ignore' })
    child.on('exit', () => {
      if (stopping) return
      state.deaths++
      start()
    })
  }
  start()
  state.stop = async () => {
    stopping = true
    const exited = once(child, 'exit')
    if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) await exited
  }
  return state
}

async function recorded(list: () => Promise<readonly unknown[]>): Promise<void> {
  while ((await list()).length === 0) await new Promise((resolve) => setImmediate(resolve))
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { eachSharedEngine, type SharedStore } from '../delivery/fixtures/shared-store.ts'
import { type App, hodisa } from '../index.ts'
import { Random } from '../testing/random.ts'
import { Ticked, tally } from './fixtures/kill-worker.ts'

// Processes are slow to start on a machine that is busy, and a killed one's share is taken over after its lease.

const WORKER = fileURLToPath(new URL('./fixtures/kill-worker.ts', import.meta.url))

async function begun(store: SharedStore, what: 'run' | 'rebuild'): Promise<ChildProcess> {
  const child = spawn(process.execPath, [WORKER, store.location, what], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  if (child.stdout === null) throw new Error('the worker has no stdout')
  await once(child.stdout, 'data')
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

async function published(app: App, first: number, count: number): Promise<number> {
  for (let n = first; n < first + count; n += 100) {
    await app.publish(Array.from({ length: 100 }, (_, index) => Ticked({ n: n + index })))
  }
  return first + count
}

eachSharedEngine((open) => {
  test('processes that run a projection, or build it anew, are killed at any moment: every event counts once, in order', async () => {
    const store = await open()
    const app = await hodisa({ source: 'test', store: store.factory, events: [Ticked], durability: 'os' })
    onTestFinished(async () => {
      await app.stop()
      await store.dispose()
    })
    const random = new Random(20_26)
    let next = 0
    for (let round = 0; round < 5; round++) {
      const running = await begun(store, 'run')
      const rebuilding = await begun(store, 'rebuild')
      const publishing = published(app as unknown as App, next, 3_000)
      await delay(random.between(5, 250)) // when it is killed is left to chance: nothing is awaited by it
      await Promise.all([kill(running), kill(rebuilding)])
      next = await publishing
    }
    await begun(store, 'run')
    const Tally = tally()
    const receipt = await app.publish(Ticked({ n: next++ }))
    const view = app.view(Tally, { after: receipt, timeout: '60s' })
    expect(await view.get('all')).toEqual({ count: next, last: next - 1, disorder: 0 })
    expect(await view.get('n7')).toEqual({ count: Math.floor(next / 50), last: next - 44, disorder: 0 })
    const { differences } = await app.projections.verify(Tally)
    expect(differences).toBe(0)
  })
})

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type App, hodisa } from '../index.ts'
import { WorkDone } from './fixtures/process-worker.ts'
import { eachSharedEngine, type SharedStore } from './fixtures/shared-store.ts'

const WORKER = fileURLToPath(new URL('./fixtures/process-worker.ts', import.meta.url))

type Line = Record<string, unknown> & { readonly pid: number }

let store: SharedStore
let app: App<[typeof WorkDone]>
let workers: Worker[]

class Worker {
  readonly child: ChildProcess
  readonly lines: Line[] = []
  #heard: () => void = () => undefined

  constructor() {
    this.child = spawn(process.execPath, [WORKER, store.location], { stdio: ['ignore', 'pipe', 'inherit'] })
    workers.push(this)
    if (this.child.stdout === null) throw new Error('the worker has no stdout')
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.lines.push(JSON.parse(line))
      this.#heard()
    })
  }

  async says(what: string): Promise<Line> {
    for (;;) {
      const line = this.lines.find((said) => what in said)
      if (line !== undefined) return line
      await new Promise<void>((resolve) => {
        this.#heard = resolve
      })
    }
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const exited = once(this.child, 'exit')
    this.child.kill(signal)
    await exited
  }
}

async function start(count: number): Promise<Worker[]> {
  const started = Array.from({ length: count }, () => new Worker())
  for (const worker of started) await worker.says('started')
  return started
}

async function publish(count: number, keys: number, data: { wait?: number } = {}): Promise<void> {
  const all = Array.from({ length: count }, (_, number) => WorkDone({ key: `k${number % keys}`, number, ...data }))
  for (let from = 0; from < all.length; from += 50) await app.publish(all.slice(from, from + 50))
}

function effects(): Promise<{ key: string; number: number; pid: number }[]> {
  return store.rows('select key, number, pid from effects order by id')
}

async function expectOnceAndInOrder(count: number): Promise<void> {
  const rows = await effects()
  expect(rows.map(({ number }) => number).toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, n) => n))
  for (const [key, own] of Map.groupBy(rows, (row) => row.key)) {
    const numbers = own.map(({ number }) => number)
    expect(numbers, `order of ${key}`).toEqual(numbers.toSorted((a, b) => a - b))
  }
}

eachSharedEngine((open) => {
  describe('a service in several processes', () => {
    beforeEach(async () => {
      workers = []
      store = await open()
      app = await hodisa({ source: 'test', store: store.factory, events: [WorkDone] })
      await store.execute(`create table effects (id ${store.serial}, key text, number integer, pid integer)`)
    })

    afterEach(async () => {
      for (const worker of workers) await worker.end('SIGKILL')
      await app.stop()
      await store.dispose()
    })

    test('shares its events among them: every effect once, in order of each key', async () => {
      const started = await start(3)
      await publish(900, 60, { wait: 1 })
      await app.settled({ timeout: '60s' })
      await expectOnceAndInOrder(900)
      expect(new Set((await effects()).map(({ pid }) => pid)).size).toBeGreaterThan(1)
      for (const worker of started) await worker.end('SIGTERM')
      expect((await app.services.list())[0]?.instances).toEqual([])
    })

    test('loses nothing and repeats no effect when processes are killed at work', async () => {
      await start(3)
      await publish(600, 40, { wait: 5 })
      for (const victim of workers.slice(0, 2)) {
        await victim.says('ends')
        await victim.end('SIGKILL')
      }
      await publish(1, 1) // number 0 again, in another event
      await app.settled({ timeout: '60s' })
      const rows = await effects()
      expect(rows.length).toBe(601)
      expect(new Set(rows.map(({ number }) => number)).size).toBe(600)
      const lost: string[] = []
      for await (const { data } of app.read({ types: 'hodisa.instance.lost' })) {
        lost.push((data as { instance: string }).instance)
      }
      // Each death is told once, whoever noticed it. A busy machine may make a third look dead.
      expect(lost.length).toBeGreaterThanOrEqual(2)
      expect(new Set(lost).size).toBe(lost.length)
    })

    test('knows at once that killed processes are gone, though nobody is left to take over', async () => {
      await start(2)
      await publish(20, 5)
      await app.settled({ timeout: '60s' })
      const state = async () => (await app.services.list()).map(({ state, instances }) => [state, instances.length])
      expect(await state()).toEqual([['running', 2]])
      for (const worker of workers) await worker.end('SIGKILL')
      expect(await state()).toEqual([['down', 0]])
      expect((await app.explain()).services).toMatchObject([{ instances: 0 }])
      await app.services.forget('work')
      expect(await state()).toEqual([])
    })

    test('refuses the commit of a process that was frozen past its lease, and aborts its signal', async () => {
      const [frozen] = await start(1)
      if (frozen === undefined) throw new Error('no worker')
      await app.publish(WorkDone({ key: 'a', number: 0, freeze: true }))
      await frozen.says('frozen')
      await store.freeze(frozen.child)
      const [other] = await start(1)
      // The other takes over, and waits in the same handler until it may go on.
      await other?.says('frozen')
      other?.child.kill('SIGUSR2')
      await other?.says('ends')
      frozen.child.kill('SIGUSR2')
      frozen.child.kill('SIGCONT')
      const refused = await frozen.says('refused')
      expect(refused).toMatchObject({ refused: 0, aborted: true })
      expect(['lease-lost', 'context-dead']).toContain(refused.code)
      await app.settled({ timeout: '30s' })
      expect(await effects()).toMatchObject([{ key: 'a', number: 0, pid: other?.child.pid }])
    })

    test('hands over at once on a graceful stop, with nothing handled twice', async () => {
      const [leaving] = await start(2)
      await publish(400, 30, { wait: 2 })
      await leaving?.says('ends')
      await leaving?.end('SIGTERM')
      await app.settled({ timeout: '60s' })
      await expectOnceAndInOrder(400)
      const begun = workers.flatMap(({ lines }) => lines.filter((line) => 'begins' in line).map((line) => line.begins))
      expect(begun.length).toBe(400)
    })
  })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { type CopyOptions, copyStore } from './copy-store.ts'
import { until } from './delivery/fixtures/until.ts'
import { memory } from './engines/memory/index.ts'
import { postgres } from './engines/postgres/index.ts'
import { sqlite } from './engines/sqlite/index.ts'
import { defineEvent, defineProjection, hodisa, type Logger, PermanentError, type StoreFactory } from './index.ts'
import { anEvent, append } from './store/conformance/events.ts'
import { hostAt } from './store/conformance/suite.ts'
import { written } from './store/fixtures/written-store.ts'
import type { Store } from './store/port.ts'
import { postgresPlace, withoutPostgres } from './testing/postgres/fixtures/place.ts'

type Engine = 'sqlite' | 'postgres'
const PAIRS: readonly (readonly [from: Engine, to: Engine])[] = [
  ['sqlite', 'sqlite'],
  ['sqlite', 'postgres'],
  ['postgres', 'sqlite'],
  ['postgres', 'postgres'],
]
const START = 1_700_000_000_000
const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} }

async function newStore(engine: Engine): Promise<StoreFactory> {
  if (engine === 'postgres') {
    const { url, schema, dispose } = await postgresPlace()
    onTestFinished(dispose)
    return postgres(url, { schema })
  }
  const folder = mkdtempSync(join(tmpdir(), 'hodisa-copy-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return sqlite(join(folder, 'store.db'))
}

async function opened(factory: StoreFactory, clock = { now: START }): Promise<Store> {
  const store = await factory.open(hostAt(clock))
  onTestFinished(() => store.close())
  return store
}

function copy(from: StoreFactory, to: StoreFactory, options: Partial<CopyOptions> = {}) {
  return copyStore({ from, to, logger: quiet, ...options })
}

async function logOf(store: Store, until = Number.MAX_SAFE_INTEGER): Promise<unknown> {
  return (await store.readLog({ limit: 10_000, until })).events
}

/** Ends the copy after so many steps. */
async function cutShort(from: StoreFactory, to: StoreFactory, steps: number): Promise<boolean> {
  const cut = new AbortController()
  let left = steps
  const onProgress = () => {
    left -= 1
    if (left <= 0) cut.abort(new Error('cut short'))
  }
  try {
    await copy(from, to, { signal: cut.signal, onProgress })
    return false
  } catch (error) {
    expect(error).toMatchObject({ message: 'cut short' })
    return true
  }
}

describe.each(PAIRS)('from %s to %s', (one, other) => {
  const missing = [one, other].includes('postgres') ? withoutPostgres : ''
  const onBoth = test.skipIf(missing !== '')

  onBoth.for([1, 2, 3])(`everything is there, and can be found, seed %i${missing}`, async (seed) => {
    const [from, to] = [await newStore(one), await newStore(other)]
    const clock = { now: START }
    const source = await opened(from, clock)
    const { streams, ids, services, requests, times } = await written(source, clock, seed)
    const result = await copy(from, to)
    expect(result).toMatchObject({ resumed: false, services: services.length })

    const target = await opened(to, clock)
    const same = async (what: string, read: (store: Store) => Promise<unknown>) =>
      expect(await read(target), what).toEqual(await read(source))
    await same('log', logOf)
    await same('oldest', (store) => store.oldest())
    for (const time of times) {
      // Where nothing is left between two positions, either is right.
      await same(`log until ${time}`, async (store) => logOf(store, await store.positionAt(time)))
    }
    for (const stream of streams) {
      await same(`revision of ${stream}`, (store) => store.streamRevision(stream))
      await same(stream, (store) => store.readStream({ stream, limit: 1_000 }))
      await same(`${stream} backwards`, (store) => store.readStream({ stream, backwards: true, limit: 1_000 }))
      for (const recordedUntil of times) {
        await same(`${stream} at ${recordedUntil}`, (store) =>
          store.readStream({ stream, recordedUntil, limit: 1_000 }),
        )
      }
      for (const revision of [2, 64, 65, 130]) {
        await same(`${stream} from ${revision}`, (store) => store.readStream({ stream, from: revision, limit: 3 }))
      }
    }
    await same('ids', async (store) => (await store.byIds(ids)).toSorted((a, b) => a.position - b.position))
    await same('inline projections', (store) => store.inlines())
    await same('collections', async (store) =>
      (await store.documents.list()).filter(({ name }) => name !== 'hodisa.copy'),
    )
    await same('documents', (store) => store.documents.find('views', { limit: 1_000, orderBy: { index: 'total' } }))
    const all = new Set(Array.from({ length: 256 }, (_, bucket) => bucket))
    for (const service of services) {
      await same(service, async (store) => {
        const { revision: _, members: __, leases, ...state } = await store.groups.read(service)
        return { ...state, leases: leases.map((lease) => ({ ...lease, owner: null })) }
      })
      await same(`progress of ${service}`, (store) => store.groups.progress(service))
      await same(`done of ${service}`, (store) => store.groups.done(service, all))
      await same(`begun by ${service}`, (store) => store.groups.started(service, all))
      await same(`cursors of ${service}`, (store) => store.groups.cursors(service))
      expect((await target.groups.read(service)).members).toEqual([])
    }
    await same('dead letters', (store) => store.deadLetters.list({ limit: 1_000 }))

    // What is published again is known, and what is new comes behind.
    for (const request of requests) {
      const [there, here] = [await target.append(request), await source.append(request)]
      expect({ ...there, token: '' }).toEqual({ ...here, token: '' })
      expect(there.duplicate).toBe(true)
      expect(await target.resolve(there.token)).toEqual(await source.resolve(here.token))
    }
    const before = result.position
    const fresh = anEvent({ stream: streams[0] ?? 'none-1' })
    for (const store of [source, target]) await store.append(append(fresh))
    await same('the next event', async (store) => (await store.readLog({ after: before, limit: 10 })).events)
    await same('its stream', (store) => store.readStream({ stream: streams[0] ?? '', limit: 1_000 }))
  })

  onBoth(`a copy that is cut short again and again goes on where it was${missing}`, async () => {
    const [from, to] = [await newStore(one), await newStore(other)]
    const clock = { now: START }
    const source = await opened(from, clock)
    await written(source, clock, 7)
    let cuts = 0
    for (let steps = 1; await cutShort(from, to, steps); steps++) cuts += 1
    expect(cuts).toBeGreaterThan(4)
    const target = await opened(to, clock)
    expect(await logOf(target)).toEqual(await logOf(source))
    await expect(copy(from, to)).rejects.toMatchObject({ code: 'copy-refused' })
  })

  onBoth(`services go on exactly where they were${missing}`, async () => {
    const [from, to] = [await newStore(one), await newStore(other)]
    const Counted = defineEvent('thing.counted', {
      schema: z.object({ thing: z.string(), number: z.number() }),
      stream: ({ thing }) => thing,
    })
    const Counts = defineProjection<{ times: number }>('counts', { version: 1 }).on(Counted, (view, event) => {
      view.upsert(event.data.thing, (before) => ({ times: (before?.times ?? 0) + 1 }))
    })
    const handled: { readonly store: string; readonly number: number }[] = []
    /** Parks every tenth, and hangs at what comes after `stopAt`, until it is stopped. */
    const running = async (name: string, store: StoreFactory, stopAt: number) => {
      const app = await hodisa({ source: name, store, events: [Counted], logger: quiet })
      onTestFinished(() => app.stop({ timeout: 0 }))
      app.project(Counts)
      app.service('counting', { from: 'start', concurrency: 8 }).on(Counted, async ({ data: { number } }, ctx) => {
        if (number % 10 === 0 && name === 'old') throw new PermanentError(`no ${number}`)
        if (number > stopAt) {
          await new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason)))
        }
        await ctx.commit(async () => {})
        handled.push({ store: name, number })
      })
      await app.start()
      return app
    }
    const total = 200
    const old = await running('old', from, 120)
    await old.publish(
      Array.from({ length: total }, (_, n) => Counted({ thing: `t${n % 20}`, number: n + 1 }, { id: `n-${n + 1}` })),
    )
    await until(() => handled.length > 50)
    await until(async () => (await old.deadLetters.list()).length >= 2)
    await old.stop({ timeout: 0 })

    await copy(from, to)
    const moved = await running('moved', to, total)
    await moved.deadLetters.redrive({ service: 'counting' })
    await moved.settled({ timeout: '60s' })
    expect(handled.map(({ number }) => number).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: total }, (_, n) => n + 1),
    )
    expect(new Set(handled.map(({ store }) => store))).toEqual(new Set(['old', 'moved']))
    const { documents } = await moved.view(Counts).find({ limit: 100 })
    expect(documents.map(({ times }) => times)).toEqual(Array.from({ length: 20 }, () => 10))
    const again = await moved.publish(Counted({ thing: 't0', number: 1 }, { id: 'n-1' }))
    expect(again.duplicate).toBe(true)
  })
})

describe('a copy is refused', () => {
  test('while processes run services on the source, unless it is forced', async () => {
    const [from, to] = [await newStore('sqlite'), await newStore('sqlite')]
    const Noted = defineEvent('note.taken')
    const app = await hodisa({ source: 'notes', store: from, events: [Noted], logger: quiet })
    app.service('reading').on(Noted, () => undefined)
    await app.start()
    await app.publish(Noted({}))
    await app.settled()
    await expect(copy(from, to)).rejects.toMatchObject({
      code: 'copy-refused',
      message: expect.stringContaining('notes'),
    })
    expect(await copy(from, to, { force: true })).toMatchObject({ events: 1 })
    await app.stop()
  })

  test('into a place where something is, and into itself', async () => {
    const [from, to] = [await newStore('sqlite'), await newStore('sqlite')]
    const target = await opened(to)
    await target.append(append(anEvent()))
    await expect(copy(from, to)).rejects.toMatchObject({ code: 'copy-refused' })
    await expect(copy(from, from)).rejects.toMatchObject({ code: 'copy-refused' })
  })

  test('into the half-finished copy of another store', async () => {
    const [from, other, to] = [await newStore('sqlite'), await newStore('sqlite'), await newStore('sqlite')]
    await (await opened(from)).append(append(anEvent()))
    await (await opened(other)).append(append(anEvent()))
    expect(await cutShort(from, to, 1)).toBe(true)
    await expect(copy(other, to)).rejects.toMatchObject({ code: 'copy-refused' })
    expect(await copy(from, to)).toMatchObject({ resumed: true, events: 1 })
  })

  test('where the engine keeps nothing', async () => {
    await expect(copy(await newStore('sqlite'), memory())).rejects.toMatchObject({ code: 'capability-missing' })
  })

  test('in the end, where the source was written meanwhile; another copy goes on and takes that along', async () => {
    const [from, to] = [await newStore('sqlite'), await newStore('sqlite')]
    const source = await opened(from)
    await source.append(append([anEvent(), anEvent({ stream: 'thing-2' }), anEvent()]))
    const writer = new Database(String((await source.describe?.())?.location))
    onTestFinished(() => void writer.close())
    writer.pragma('synchronous = full')
    let written = false
    // At once, so that it stands before the copy is compared.
    const onProgress: CopyOptions['onProgress'] = ({ phase }) => {
      if (phase !== 'streams' || written) return
      written = true
      writer.exec('begin immediate')
      source.outbox(writer).append(append(anEvent({ stream: 'thing-1' })))
      writer.exec('commit')
    }
    await expect(copy(from, to, { onProgress })).rejects.toMatchObject({ code: 'copy-differs' })
    expect(await copy(from, to)).toMatchObject({ resumed: true, events: 4, streams: 2 })
  })

  test('in the end, where the target was written meanwhile', async () => {
    const [from, to] = [await newStore('sqlite'), await newStore('sqlite')]
    const source = await opened(from)
    await source.append(append([anEvent(), anEvent()]))
    const target = await opened(to)
    let written: Promise<unknown> | undefined
    const onProgress = () => {
      written ??= target.append(append(anEvent()))
    }
    await expect(copy(from, to, { onProgress })).rejects.toMatchObject({ code: 'copy-differs' })
    await written
  })
})

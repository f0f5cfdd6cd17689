import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { anEvent, append, eventsOf, expecting } from '../../store/conformance/index.ts'
import type { Connection } from './connection.ts'
import { newFile, openAt } from './fixtures/place.ts'

test('appends of one turn share one transaction, and a conflict rejects its own caller only', async () => {
  const file = await newFile()
  const store = await openAt(file)
  // There is a hint for each commit.
  let commits = 0
  const unwatch = store.watch(() => commits++)
  const results = await Promise.allSettled([
    ...Array.from({ length: 20 }, (_, index) => store.append(append(anEvent({ stream: `order-${index}` })))),
    store.append(append(anEvent({ stream: 'order-3' }), [expecting('order-3', 7)])),
    store.append(append(anEvent({ stream: 'order-3' }))),
  ])
  unwatch()
  expect(results.map(({ status }) => status).filter((status) => status === 'rejected')).toHaveLength(1)
  expect(results[20]).toMatchObject({ reason: { code: 'revision-conflict' } })
  expect(commits).toBeLessThan(10) // one, but for a machine so busy that a transaction is ended before its time
  expect(await store.streamRevision('order-3')).toBe(2)
  expect(await store.head()).toBe(21)
})

test('an operation that fails after it wrote fails alone', async () => {
  const file = await newFile()
  const store = await openAt(file)
  await store.append(append(anEvent()))
  const connection = new Database(file)
  connection.exec(`create trigger broken after insert on hodisa_streams when new.stream = 'order-bad'
    begin select raise(abort, 'broken'); end`)
  connection.close()
  const results = await Promise.allSettled(
    ['order-1', 'order-bad', 'order-2'].map((stream) => store.append(append(eventsOf(stream, 2)))),
  )
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  const { events } = await store.readLog({ limit: 100 })
  expect(events.map(({ stream }) => stream)).toEqual([null, 'order-1', 'order-1', 'order-2', 'order-2'])
})

test('a writer that is held up waits without blocking, then goes on', async () => {
  const file = await newFile()
  const store = await openAt(file)
  const connection = new Database(file)
  connection.exec('begin immediate')
  const waiting = store.append(append(anEvent()))
  let longest = 0
  let last = performance.now()
  for (let turn = 0; turn < 20; turn++) {
    await delay(2)
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }
  connection.exec('rollback')
  connection.close()
  expect((await waiting).duplicate).toBe(false)
  expect(longest).toBeLessThan(5_000)
})

test('a writer that is held up too long is told, and reads go on', async () => {
  const file = await newFile()
  const store = await openAt(file, { busyTimeout: '50ms' })
  const connection = new Database(file)
  connection.exec('begin immediate')
  const waiting = store.append(append(anEvent()))
  expect(await store.head()).toBe(0)
  await expect(waiting).rejects.toMatchObject({ code: 'store-busy', details: { file } })
  connection.exec('rollback')
  connection.close()
  await store.append(append(anEvent()))
  expect(await store.head()).toBe(1)
})

test('a full disk is told, loses nothing, and is forgotten when there is room again', async () => {
  let writing: Connection | undefined
  const store = await openAt(await newFile(), {}, (connection) => (writing = connection))
  const { ids } = await store.append(append(eventsOf('order-1', 3)))
  const pages = Number(writing?.pragma('page_count', { simple: true }))
  writing?.pragma(`max_page_count = ${pages + 4}`)
  const large = () => anEvent({ data: JSON.stringify('x'.repeat(20_000)) })
  const results = await Promise.allSettled([
    store.append(append(large())),
    store.append(append(anEvent())),
    store.append(append(large())),
  ])
  expect(results.map((result) => (result.status === 'rejected' ? result.reason.code : 'recorded'))).toContain(
    'store-full',
  )
  expect((await store.readStream({ stream: 'order-1', limit: 9 })).map(({ id }) => id)).toEqual(ids)
  writing?.pragma('max_page_count = 1000000')
  const recorded = results.filter(({ status }) => status === 'fulfilled').length
  await store.append(append(large()))
  expect((await store.readLog({ limit: 100 })).events).toHaveLength(ids.length + recorded + 1)
})

test('what others wrote is seen by the next append, whoever wrote it', async () => {
  const file = await newFile()
  const [one, two] = [await openAt(file), await openAt(file)]
  for (let round = 1; round <= 6; round++) {
    const store = round % 2 === 0 ? one : two
    const receipt = await store.append(append(anEvent({ stream: 'order-1' })))
    expect(receipt.streams).toEqual([{ stream: 'order-1', revision: round }])
  }
})

test('many appends leave timers and sockets their turn', async () => {
  const store = await openAt(await newFile())
  let fired = 0
  const timer = setInterval(() => fired++, 1)
  const end = performance.now() + 300
  await Promise.all(
    Array.from({ length: 64 }, async () => {
      while (performance.now() < end) await store.append(append(anEvent()))
    }),
  )
  clearInterval(timer)
  expect(fired).toBeGreaterThan(5)
})

test('closing finishes what was accepted', async () => {
  const file = await newFile()
  const store = await openAt(file)
  const accepted = Promise.all(Array.from({ length: 50 }, () => store.append(append(anEvent()))))
  await store.close()
  await accepted
  const connection = new Database(file, { readonly: true })
  expect(connection.prepare('select count(*) from hodisa_events').pluck().get()).toBe(50)
  connection.close()
})

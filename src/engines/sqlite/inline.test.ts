import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { dataOf, put, withOrders } from '../../store/conformance/document-values.ts'
import { anEvent, append, identified } from '../../store/conformance/index.ts'
import type { InlineWork } from '../../store/events.ts'
import { newFile, openAt } from './fixtures/place.ts'

function working(run: InlineWork['run']): InlineWork {
  return { projections: ['view'], run }
}

test('inline work that awaits something else refuses its own append, and its neighbours are recorded', async () => {
  const store = await openAt(await newFile())
  await withOrders(store)
  const slow = working(async (_, { documents }) => {
    await documents.write([put('slow')])
    await delay(20)
    await documents.write([put('late')])
  })
  const quick = working((_, { documents }) => documents.write([put('quick')]))
  const results = await Promise.allSettled([
    store.append(append(anEvent())),
    store.append({ ...append(anEvent()), inline: slow }),
    store.append({ ...append(anEvent()), inline: quick }),
    store.append(append(anEvent())),
  ])
  expect(results.map((result) => (result.status === 'rejected' ? result.reason.code : 'recorded'))).toEqual([
    ...['recorded', 'commit-awaited-io', 'recorded', 'recorded'],
  ])
  await delay(30)
  expect(await dataOf(store, 'slow', 'late', 'quick')).toEqual([undefined, undefined, '{"id":"quick"}'])
  expect(await store.head()).toBe(3)
})

test('appends keep the order of their calls when they are too many for one transaction', async () => {
  const store = await openAt(await newFile())
  const seen: number[] = []
  const inline = working(async (_, tx) => void seen.push((await tx.sql<{ n: number }>`select 1 as n`).length))
  const requests = Array.from({ length: 60 }, (_, index) => {
    const request = append(Array.from({ length: 300 }, () => anEvent({ source: `call-${index}` })))
    return index > 40 && index % 2 === 0 ? { ...request, inline } : request
  })
  await Promise.all(requests.map((request) => store.append(request)))
  const { events } = await store.readLog({ limit: 100_000 })
  expect(events.map(({ id }) => id)).toEqual(requests.flatMap((request) => request.events.map(({ id }) => id)))
  expect(seen).toHaveLength(9)
})

test('inline work runs in the asynchronous context of its caller', async () => {
  const store = await openAt(await newFile())
  const context = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const inline = working(async () => void seen.push(context.getStore()))
  await Promise.all(['a', 'b'].map((name) => context.run(name, () => store.append({ ...append(anEvent()), inline }))))
  expect(seen).toEqual(['a', 'b'])
})

test('work that lets a statement end the transaction leaves nothing, also where it hides the error', async () => {
  const store = await openAt(await newFile())
  await store.transaction((tx) => tx.sql`create table seen (id text primary key)`)
  await store.transaction((tx) => tx.sql`insert into seen values ('a')`)
  const inline = working(async (_, { sql }) => {
    await sql`insert or rollback into seen values ('a')`.catch(() => undefined)
  })
  const results = await Promise.allSettled([
    store.append(append(anEvent())),
    store.append({ ...append(anEvent()), inline }),
    store.transaction(async (tx) => {
      tx.append(append(anEvent()))
      await tx.sql`insert or rollback into seen values ('a')`.catch(() => undefined)
    }),
    store.append(append(anEvent())),
  ])
  expect(results.map((result) => (result.status === 'rejected' ? result.reason.code : 'recorded'))).toEqual([
    ...['recorded', 'invalid-option', 'invalid-option', 'recorded'],
  ])
  expect(await store.head()).toBe(2)
})

test('an outbox says that it cannot run inline work, but for what is known already', async () => {
  const file = await newFile()
  const store = await openAt(file)
  const event = identified('evt_1')
  await store.append(append(event))
  await store.inline({ name: 'view', types: ['thing.*'] })
  const connection = new Database(file)
  onTestFinished(() => void connection.close())
  connection.pragma('synchronous = full')
  connection.exec('begin immediate')
  const outbox = store.outbox(connection)
  const refusal = expect.objectContaining({
    code: 'capability-missing',
    message: expect.stringContaining('view'),
    details: { capability: 'inline work in an outbox', projection: 'view', type: 'thing.happened' },
  })
  const inline = working(async () => undefined)
  expect(() => outbox.append(append(anEvent()))).toThrow(refusal)
  expect(() => outbox.append({ ...append(anEvent()), inline })).toThrow(refusal)
  expect(outbox.append({ ...append(event), inline }).duplicate).toBe(true)
  outbox.append(append(anEvent({ type: 'order.created' })))
  connection.exec('commit')
  expect(await store.head()).toBe(2)
})

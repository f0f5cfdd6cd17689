import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { dataOf, ORDERS, put, withOrders } from '../../store/conformance/document-values.ts'
import { anEvent, append, eventsOf } from '../../store/conformance/index.ts'
import type { DocumentQuery } from '../../store/documents.ts'
import type { Table } from './collections.ts'
import { searchOf } from './document-reader.ts'
import { newFile, openAt } from './fixtures/place.ts'
import { MIGRATIONS, VERSION_TABLE } from './schema.sql.ts'

function connect(file: string): Database.Database {
  const connection = new Database(file)
  onTestFinished(() => void connection.close())
  return connection
}

test('a search walks an index, and sorts only what conditions on another index found', async () => {
  const file = await newFile()
  const store = await openAt(file)
  await withOrders(store)
  await store.documents.write(
    Array.from({ length: 500 }, (_, n) => put(`id${n}`, { total: `${n % 50}`, user: `${n}` })),
  )
  const table: Table = { name: ORDERS, number: 1, indexes: ['total', 'user'] }
  const connection = connect(file)
  const planOf = (query: Partial<DocumentQuery>) => {
    const { text, values } = searchOf(table, { limit: 20, ...query })
    const steps = connection.prepare<unknown[], { detail: string }>(`explain query plan ${text}`).all(...values)
    return steps.map(({ detail }) => detail).join('; ')
  }
  const orderBy = { index: 'total' }
  const after = { key: '7', id: 'id7' }
  const own = { index: 'total', is: 'eq', key: '7' } as const
  for (const [query, plan] of [
    [{}, /^SCAN main.hodisa_documents_1 USING INDEX sqlite_autoindex_hodisa_documents_1_1$/],
    [{ after: { id: 'x' } }, /^SEARCH .* USING INDEX sqlite_autoindex_\w+ \(id>\?\)$/],
    [{ orderBy }, /^(SCAN|SEARCH) .* USING INDEX hodisa_documents_1_by_0( \(key_0>\?\))?$/],
    [{ orderBy, after }, /^SEARCH .* USING INDEX hodisa_documents_1_by_0 \(\(key_0,id\)>\(\?,\?\)\)$/],
    [{ orderBy: { ...orderBy, descending: true }, after }, /^SEARCH .*_by_0 \(key_0>\? AND \(key_0,id\)<\(\?,\?\)\)$/],
    [{ where: [own] }, /^SEARCH .*_by_0 \(key_0=\?\)$/],
    [{ where: [own], after: { id: 'x' } }, /^SEARCH .*_by_0 \(key_0=\? AND id>\?\)$/],
    [{ where: [{ ...own, is: 'prefix' }], orderBy }, /^SEARCH .*_by_0 \(key_0>\? AND key_0<\?\)$/],
    [{ where: [{ ...own, is: 'gte' }], orderBy }, /^SEARCH .*_by_0 \(key_0>\?\)$/],
    [{ where: [{ index: 'total', is: 'in', keys: ['1', '2'] }] }, /^SEARCH .*_by_0 \(key_0=\?\)/],
    [{ where: [own], orderBy: { index: 'user' } }, /^SEARCH .*_by_0 \(key_0=\?\); USE TEMP B-TREE FOR ORDER BY$/],
  ] satisfies readonly (readonly [Partial<DocumentQuery>, RegExp])[]) {
    expect(planOf(query), JSON.stringify(query)).toMatch(plan)
  }
})

test('a file of the first version gets its documents when it is opened', async () => {
  const file = await newFile()
  const connection = connect(file)
  const [first] = MIGRATIONS
  connection.exec(`${VERSION_TABLE}; insert into hodisa_schema values (1, 0); ${first?.sql}`)
  const store = await openAt(file)
  await withOrders(store)
  await store.documents.write([put('a')])
  await store.append(append(anEvent()))
  expect(await dataOf(store, 'a')).toEqual(['{"id":"a"}'])
  expect(connection.prepare('select max(version) from hodisa_schema').pluck().get()).toBe(MIGRATIONS.length)
})

test('names of collections and indexes are no part of any statement', async () => {
  const file = await newFile()
  const store = await openAt(file)
  const name = 'hodisa_events'
  const indexes = ['id', 'data', "x'); drop table hodisa_events; --", '"', '?', ':id', 'Id', '0', 'constructor']
  await store.documents.define({ name, indexes })
  const keys = Object.fromEntries(indexes.map((index) => [index, `key of ${index}`]))
  await store.documents.write([{ collection: name, id: "'; --", data: '1', keys }])
  for (const index of indexes) {
    const where = [{ index, is: 'eq', key: `key of ${index}` }] as const
    expect(await store.documents.find(name, { where, orderBy: { index }, limit: 9 })).toEqual([
      { id: "'; --", data: '1', keys },
    ])
  }
  await store.append(append(anEvent()))
  const tables = connect(file).prepare("select name from sqlite_schema where type = 'table'").pluck().all()
  expect(tables.filter((table) => String(table).startsWith('hodisa_documents'))).toEqual(['hodisa_documents_1'])
})

test('the number of a collection that was dropped is not given again', async () => {
  const file = await newFile()
  const [store, other] = [await openAt(file), await openAt(file)]
  await withOrders(store)
  await other.documents.write([put('a')])
  await store.documents.drop(ORDERS)
  await store.documents.define({ name: 'another', indexes: ['total', 'user'] })
  await expect(other.documents.write([put('a')])).rejects.toMatchObject({ code: 'collection-unknown' })
  await withOrders(store)
  await other.documents.write([put('b')])
  expect(await store.documents.count('another')).toBe(0)
  expect(await store.documents.count(ORDERS)).toBe(1)
})

test('an outbox writes documents with its events, and they go with its transaction', async () => {
  const file = await newFile()
  const store = await openAt(file)
  await withOrders(store)
  const connection = connect(file)
  connection.defaultSafeIntegers(true)
  connection.pragma('synchronous = full')
  const outbox = store.outbox(connection)
  const conditions = [{ kind: 'noDocument', collection: ORDERS, id: 'cmd_1' }] as const
  const request = () => ({ ...append(anEvent(), conditions), documents: [put('cmd_1', { total: '1' }, '1')] })
  for (const end of ['rollback', 'commit']) {
    connection.exec('begin immediate')
    outbox.append(request())
    expect(() => outbox.append(request())).toThrow(expect.objectContaining({ code: 'document-exists' }))
    connection.exec(end)
    expect(await dataOf(store, 'cmd_1')).toEqual([end === 'commit' ? '1' : undefined])
  }
  expect(await store.head()).toBe(1)
})

test('documents, appends and their neighbours share a transaction, and one that fails in SQLite fails alone', async () => {
  const file = await newFile()
  const store = await openAt(file)
  await withOrders(store)
  connect(file).exec(`create trigger broken before insert on hodisa_documents_1 when new.id = 'bad'
    begin select raise(abort, 'broken'); end`)
  const results = await Promise.allSettled([
    store.documents.write([put('a')]),
    store.documents.write([put('b'), put('bad')]),
    store.append({ ...append(anEvent()), documents: [put('bad')] }),
    store.append({ ...append(eventsOf('order-1', 2)), documents: [put('c')] }),
  ])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled'])
  expect(await dataOf(store, 'a', 'b', 'c')).toEqual(['{"id":"a"}', undefined, '{"id":"c"}'])
  expect((await store.readLog({ limit: 9 })).events).toHaveLength(2)
})

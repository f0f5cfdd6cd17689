import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { anEvent, append, identified } from '../../store/conformance/index.ts'
import { host } from './fixtures/host.ts'
import { newFile, openAt } from './fixtures/place.ts'
import { openStore } from './open.ts'

function connect(file: string): Database.Database {
  const connection = new Database(file)
  connection.pragma('synchronous = full')
  onTestFinished(() => void connection.close())
  return connection
}

test('events go with the transaction of the user', async () => {
  const file = await newFile()
  const store = await openAt(file)
  const connection = connect(file)
  const outbox = store.outbox(connection)
  connection.exec('begin immediate')
  const lost = outbox.append(append(anEvent({ stream: 'order-1' })))
  expect(await store.resolve(lost.token)).toBeUndefined()
  connection.exec('rollback')
  const heard = new Promise((resolve) => store.watch((hint) => hint.head !== undefined && resolve(hint.head)))
  connection.exec('begin immediate')
  const kept = outbox.append(append(anEvent({ stream: 'order-1' })))
  expect(kept.streams).toEqual([{ stream: 'order-1', revision: 1 }])
  connection.exec('commit')
  expect(await heard).toBe(1)
  expect(await store.resolve(kept.token)).toHaveLength(1)
  // The event that took the place is not the one that was rolled back.
  expect(await store.resolve(lost.token)).toBeUndefined()
  const next = await store.append(append(anEvent({ stream: 'order-1' })))
  expect(next.streams).toEqual([{ stream: 'order-1', revision: 2 }])
})

test('an id that is known is no error', async () => {
  const file = await newFile()
  const store = await openAt(file)
  await store.append(append(identified('evt_1', '{}')))
  const connection = connect(file)
  connection.exec('begin immediate')
  expect(store.outbox(connection).append(append(identified('evt_1', '{}'))).duplicate).toBe(true)
  connection.exec('commit')
})

test('integers as BigInt make no difference', async () => {
  const file = await newFile()
  const store = await openAt(file)
  const connection = connect(file)
  connection.defaultSafeIntegers()
  connection.exec('begin immediate')
  store.outbox(connection).append(append(anEvent({ stream: 'order-1' })))
  store.outbox(connection).append(append(anEvent({ stream: 'order-1' })))
  connection.exec('commit')
  expect(await store.streamRevision('order-1')).toBe(2)
})

test('without a transaction it is refused', async () => {
  const file = await newFile()
  const store = await openAt(file)
  const outbox = store.outbox(connect(file))
  expect(() => outbox.append(append(anEvent()))).toThrow(expect.objectContaining({ code: 'outbox-no-transaction' }))
})

test('a connection to another file, or to none, is refused', async () => {
  const store = await openAt(await newFile())
  for (const file of [await newFile(), ':memory:']) {
    expect(() => store.outbox(connect(file))).toThrow(expect.objectContaining({ code: 'outbox-other-store' }))
  }
  expect(() => store.outbox({})).toThrow(expect.objectContaining({ code: 'invalid-option' }))
})

test('a connection that a power cut can rob is refused, unless that was asked for', async () => {
  const file = await newFile()
  const store = await openAt(file)
  const connection = connect(file)
  connection.pragma('synchronous = normal')
  connection.exec('begin immediate')
  const outbox = store.outbox(connection)
  expect(() => outbox.append(append(anEvent()))).toThrow(expect.objectContaining({ code: 'outbox-not-durable' }))
  const relaxed = await openStore(file, {}, { ...host, durability: 'os' })
  expect(relaxed.outbox(connection).append(append(anEvent())).ids).toHaveLength(1)
  connection.exec('commit')
  await relaxed.close()
})

test('a transaction that began before another write is told that it is late', async () => {
  const file = await newFile()
  const store = await openAt(file)
  const connection = connect(file)
  connection.exec('begin')
  connection.prepare('select count(*) from hodisa_events').get()
  await store.append(append(anEvent()))
  expect(() => store.outbox(connection).append(append(anEvent()))).toThrow(
    expect.objectContaining({ code: 'store-busy' }),
  )
  connection.exec('rollback')
})

import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { anEvent, append } from '../../store/conformance/index.ts'
import type { StoreTransaction } from '../../store/port.ts'
import { newFile, openAt } from './fixtures/place.ts'

async function withTable() {
  const store = await openAt(await newFile())
  await store.transaction((tx) => tx.sql`create table stock (sku text primary key, on_hand)`)
  const rows = async () => (await store.transaction((tx) => tx.sql`select * from stock order by sku`)).result
  return { store, rows }
}

test('work that awaits something else is undone alone, and its late end disturbs nobody', async () => {
  const { store, rows } = await withTable()
  const unhandled: unknown[] = []
  const note = (error: unknown) => unhandled.push(error)
  process.on('unhandledRejection', note)
  onTestFinished(() => void process.off('unhandledRejection', note))
  let late: StoreTransaction | undefined
  const over = Promise.withResolvers<void>()
  const slow = store.transaction(async (tx) => {
    late = tx
    await tx.sql`insert into stock values (${'slow'}, ${1})`
    try {
      await delay(20)
      void tx.sql`insert into stock values (${'late'}, ${1})`
      await tx.sql`insert into stock values (${'later'}, ${1})`
    } finally {
      over.resolve()
    }
  })
  const quick = store.transaction(async (tx) => {
    await tx.sql`insert into stock values (${'quick'}, ${1})`
    tx.append(append(anEvent()))
  })
  await expect(slow).rejects.toMatchObject({ code: 'commit-awaited-io' })
  expect((await quick).receipt?.ids).toHaveLength(1)
  await over.promise
  await delay(5)
  expect(await rows()).toEqual([{ sku: 'quick', on_hand: 1 }])
  expect(() => late?.append(append(anEvent()))).toThrow(expect.objectContaining({ code: 'context-dead' }))
  expect(unhandled).toEqual([])
})

test('values are bound as SQLite knows them, and others are named', async () => {
  const { store, rows } = await withTable()
  await store.transaction((tx) => tx.sql`insert into stock values (${'a'}, ${true}), (${'b'}, ${null})`)
  expect(await rows()).toEqual([
    { sku: 'a', on_hand: 1 },
    { sku: 'b', on_hand: null },
  ])
  for (const value of [undefined, {}, new Date(), [1], Symbol('x')]) {
    const refused = store.transaction((tx) => tx.sql`update stock set on_hand = ${1} where sku = ${value}`)
    await expect(refused).rejects.toMatchObject({ code: 'invalid-option', details: { parameter: 2 } })
  }
})

test('the transaction and the connection are the store’s', async () => {
  const { store, rows } = await withTable()
  const statements: ((tx: StoreTransaction) => Promise<unknown>)[] = [
    (tx) => tx.sql`commit`,
    (tx) => tx.sql`  /* quietly */ ROLLBACK`,
    (tx) => tx.sql`-- well\nbegin`,
    (tx) => tx.sql`savepoint mine`,
    (tx) => tx.sql`pragma synchronous = off`,
    (tx) => tx.sql`attach ${'x'} as y`,
  ]
  for (const statement of statements) {
    await expect(store.transaction(statement)).rejects.toMatchObject({ code: 'invalid-option' })
  }
  expect(await rows()).toEqual([])
})

test('a statement that gives up the whole transaction fails its own work only', async () => {
  const { store, rows } = await withTable()
  const results = await Promise.allSettled([
    store.append(append(anEvent())),
    store.transaction(async (tx) => {
      await tx.sql`insert into stock values (${'a'}, ${1})`
      await tx.sql`insert or rollback into stock values (${'a'}, ${2})`
    }),
    store.transaction((tx) => tx.sql`insert into stock values (${'b'}, ${1})`),
  ])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(await rows()).toEqual([{ sku: 'b', on_hand: 1 }])
  expect(await store.head()).toBe(1)
})

test('the affected count is not one of the rows', async () => {
  const { store } = await withTable()
  const { result } = await store.transaction(
    (tx) => tx.sql`insert into stock values (${'a'}, ${1}), (${'b'}, ${2}) returning sku`,
  )
  expect(result.affected).toBe(2)
  expect(Object.keys(result)).toEqual(['0', '1'])
})

test('work runs in the asynchronous context of its caller', async () => {
  const { store } = await withTable()
  const context = new AsyncLocalStorage<string>()
  const seen = await Promise.all(
    ['a', 'b'].map((name) => context.run(name, () => store.transaction(async () => context.getStore()))),
  )
  expect(seen.map(({ result }) => result)).toEqual(['a', 'b'])
})

test('work that rejects with nothing at all has failed all the same', async () => {
  const { store, rows } = await withTable()
  const work = store.transaction(async (tx) => {
    await tx.sql`insert into stock values (${'a'}, ${1})`
    throw undefined
  })
  await expect(work).rejects.toBeUndefined()
  expect(await rows()).toEqual([])
})

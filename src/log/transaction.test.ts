import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { Bed, eachEngine } from '../delivery/fixtures/bed.ts'
import { EVENTS, Noted, Paid } from '../delivery/fixtures/events.ts'
import { all, failure } from '../delivery/fixtures/until.ts'
import type { Transaction } from '../index.ts'

const one = Noted({ key: 'a', n: 1 })

describe('a transaction', () => {
  eachEngine((bed, engine) => {
    test('records its events when it commits, in the context it was begun in', async () => {
      const app = await bed().app({ events: EVENTS })
      const results = await Promise.all(
        [1, 2, 3].map((n) =>
          app.context({ correlationId: `c${n}` }, () =>
            app.transaction((tx) => {
              tx.publish(Noted({ key: 'a', n }), Paid({ amount: n }))
              return n
            }),
          ),
        ),
      )
      expect(results).toEqual([1, 2, 3])
      for (const { data, metadata } of await all(app.read({ types: 'test.noted' }))) {
        expect(metadata.correlationId).toBe(`c${(data as { n: number }).n}`)
      }
    })

    test('that rejects leaves nothing behind', async () => {
      const app = await bed().app({ events: EVENTS })
      if (engine !== 'memory') await app.transaction((tx) => tx.sql`create table t (n integer)`)
      const error = await failure(() =>
        app.transaction(async (tx) => {
          tx.publish(one)
          if (engine !== 'memory') await tx.sql`insert into t values (1)`
          throw new Error('mine')
        }),
      )
      expect(error).toMatchObject({ message: 'mine' })
      expect(await all(app.read())).toEqual([])
      if (engine !== 'memory') expect((await app.transaction((tx) => tx.sql`select * from t`)).length).toBe(0)
    })

    test('takes no more events when it is over', async () => {
      const app = await bed().app({ events: EVENTS })
      const kept: Transaction = await app.transaction((tx) => ({ ...tx }))
      expect(await failure(() => kept.publish(one))).toMatchObject({ code: 'context-dead' })
      expect(await failure(() => kept.sql`select 1`)).toMatchObject({
        code: engine !== 'memory' ? 'context-dead' : 'capability-missing',
      })
    })
  })
})

describe('an outbox', () => {
  const withDatabase = async (body: (bed: Bed, database: Database.Database) => Promise<void>) => {
    const bed = new Bed('sqlite')
    const app = await bed.app({ events: EVENTS }) // makes the file
    await app.publish(Paid({ amount: 1 }))
    const database = new Database(bed.file)
    try {
      database.exec('create table orders (n integer)')
      await body(bed, database)
    } finally {
      database.close()
    }
  }

  test('publishes if, and only if, the transaction of the user commits', () =>
    withDatabase(async (bed, database) => {
      const app = await bed.app({ events: EVENTS })
      const got: number[] = []
      app.service('s', { from: 'start' }).on(Noted, ({ data }) => void got.push(data.n))
      await app.start()
      const outbox = app.outbox(database)
      const insert = (n: number, fails: boolean) =>
        database.transaction(() => {
          database.prepare('insert into orders values (?)').run(n)
          outbox.publish(Noted({ key: 'a', n }))
          if (fails) throw new Error('rolled back')
        })
      expect(() => insert(1, true)()).toThrow('rolled back')
      insert(2, false)()
      await app.settled()
      expect(got).toEqual([2])
      expect(database.prepare('select n from orders').all()).toEqual([{ n: 2 }])
    }))

  test('takes a duplicate without failing the transaction', () =>
    withDatabase(async (bed, database) => {
      const app = await bed.app({ events: EVENTS })
      const publish = database.transaction(() => app.outbox(database).publish(one, { id: 'mine' }))
      expect(publish()).toMatchObject({ duplicate: false, ids: ['mine'] })
      expect(publish()).toMatchObject({ duplicate: true, ids: ['mine'] })
      expect((await all(app.read({ types: 'test.*' }))).length).toBe(1)
    }))

  test('refuses what it cannot promise', () =>
    withDatabase(async (bed, database) => {
      const app = await bed.app({ events: EVENTS })
      expect(await failure(() => app.outbox(database).publish(one))).toMatchObject({ code: 'outbox-no-transaction' })
      expect(await failure(() => app.outbox(new Database(':memory:')))).toMatchObject({ code: 'outbox-other-store' })
      expect(await failure(() => app.outbox({} as never))).toMatchObject({ code: 'invalid-option' })
    }))

  test('is not there in memory', async () => {
    const app = await new Bed('memory').app()
    expect(await failure(() => app.outbox(new Database(':memory:')))).toMatchObject({ code: 'capability-missing' })
  })
})

import { sql as drizzleSql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import knex from 'knex'
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely'
import { Pool } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { describeOnPostgres } from '../../testing/postgres/fixtures/place.ts'
import { ordered, Placed, placed, shop } from './fixtures/outbox-shop.ts'

describeOnPostgres('an outbox in a transaction of another library', () => {
  test('with Drizzle', async () => {
    const { app, url, client } = await shop()
    const pool = new Pool({ connectionString: url })
    onTestFinished(() => pool.end())
    const db = drizzle(pool)
    const place = (number: number, fail = false) =>
      db.transaction(async (tx) => {
        await tx.execute(drizzleSql`insert into orders values (${number})`)
        const query = (text: string, values: unknown[] = []) =>
          tx.execute(
            drizzleSql.join(
              text
                .split(/\$(\d+)/)
                .map((part, index) =>
                  index % 2 === 0 ? drizzleSql.raw(part) : drizzleSql.param(values[Number(part) - 1]),
                ),
            ),
          )
        await app.outbox({ query }).publish(Placed({ number }, { stream: 'order-1' }))
        if (fail) throw new Error('changed their mind')
      })
    await place(1)
    await expect(place(2, true)).rejects.toThrow('changed their mind')
    await expect(place(1)).rejects.toThrow()
    expect(await placed(app)).toEqual([1])
    expect(await ordered(client)).toEqual([1])
  })

  test('with Drizzle on a client of its own', async () => {
    const { app, client } = await shop()
    const place = (number: number, fail = false) =>
      drizzle(client).transaction(async (tx) => {
        await tx.execute(drizzleSql`insert into orders values (${number})`)
        await app.outbox(client).publish(Placed({ number }))
        if (fail) throw new Error('changed their mind')
      })
    await place(1)
    await expect(place(2, true)).rejects.toThrow('changed their mind')
    expect(await placed(app)).toEqual([1])
    expect(await ordered(client)).toEqual([1])
  })

  test('with Kysely', async () => {
    const { app, url, client } = await shop()
    const db = new Kysely<{ orders: { number: number } }>({
      dialect: new PostgresDialect({ pool: new Pool({ connectionString: url }) }),
    })
    onTestFinished(() => db.destroy())
    const place = (number: number, fail = false) =>
      db.transaction().execute(async (trx) => {
        await trx.insertInto('orders').values({ number }).execute()
        const query = (text: string, values: unknown[] = []) => trx.executeQuery(CompiledQuery.raw(text, values))
        await app.outbox({ query }).publish(Placed({ number }, { stream: 'order-1' }))
        if (fail) throw new Error('changed their mind')
      })
    await place(1)
    await expect(place(2, true)).rejects.toThrow('changed their mind')
    expect(await placed(app)).toEqual([1])
    expect(await ordered(client)).toEqual([1])
  })

  test('with Knex', async () => {
    const { app, url, client } = await shop()
    const db = knex({ client: 'pg', connection: url })
    onTestFinished(() => db.destroy())
    const place = (number: number, fail = false) =>
      db.transaction(async (trx) => {
        await trx('orders').insert({ number })
        const query = async (text: string, values: unknown[] = []) => {
          const bindings: unknown[] = []
          const raw = text.replaceAll(/\$(\d+)/g, (_, place) => {
            bindings.push(values[Number(place) - 1])
            return '?'
          })
          return trx.raw(raw, bindings as never[])
        }
        await app.outbox({ query }).publish(Placed({ number }, { stream: 'order-1' }))
        if (fail) throw new Error('changed their mind')
      })
    await place(1)
    await expect(place(2, true)).rejects.toThrow('changed their mind')
    expect(await placed(app)).toEqual([1])
    expect(await ordered(client)).toEqual([1])
  })
})

// biome-ignore-all assist/source/organizeImports: what is shown begins with its imports
import assert from 'node:assert/strict'
import { hodisa } from 'hodisa'
import { postgres } from 'hodisa/postgres'
import { Pool } from 'pg'
import { all } from './all.ts'
import { OrderCreated } from './events.ts'
// #region connection
import { CompiledQuery, Kysely, PostgresDialect, sql, type Transaction } from 'kysely'

/** A Kysely transaction as `app.outbox()` takes it. */
function connectionOf<Database>(trx: Transaction<Database>) {
  return { query: (text: string, values: unknown[] = []) => trx.executeQuery(CompiledQuery.raw(text, values)) }
}
// #endregion

const url = process.env.DATABASE_URL ?? ''
const app = await hodisa({ source: 'order-service', store: postgres(url), events: [OrderCreated] })
const order = { orderId: 'ord_1', userId: 'usr_1', total: 10 }
const db = new Kysely<{ orders: { id: string; total: number } }>({
  dialect: new PostgresDialect({ pool: new Pool({ connectionString: url }) }),
})
await sql`create table orders (id text primary key, total numeric not null)`.execute(db)
const placeOrder = () =>
  // #region outbox
  db.transaction().execute(async (trx) => {
    await trx.insertInto('orders').values({ id: order.orderId, total: order.total }).execute()
    await app.outbox(connectionOf(trx)).publish(OrderCreated(order))
  })
// #endregion
await placeOrder()
await assert.rejects(placeOrder())
assert.equal((await all(app.read())).length, 1)
await db.destroy()
await app.stop()

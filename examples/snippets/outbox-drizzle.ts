// biome-ignore-all assist/source/organizeImports: what is shown begins with its imports
import assert from 'node:assert/strict'
import { hodisa } from 'hodisa'
import { postgres } from 'hodisa/postgres'
import { Pool } from 'pg'
import { all } from './all.ts'
import { OrderCreated } from './events.ts'
// #region connection
import { type SQL, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'

/** A Drizzle transaction as `app.outbox()` takes it. */
function connectionOf(tx: { execute(query: SQL): Promise<unknown> }) {
  return {
    query(text: string, values: unknown[] = []) {
      const parts = text.split(/\$(\d+)/) // text, number, text, number, …
      return tx.execute(
        sql.join(parts.map((part, n) => (n % 2 === 0 ? sql.raw(part) : sql`${values[Number(part) - 1]}`))),
      )
    },
  }
}
// #endregion

const url = process.env.DATABASE_URL ?? ''
const app = await hodisa({ source: 'order-service', store: postgres(url), events: [OrderCreated] })
const order = { orderId: 'ord_1', userId: 'usr_1', total: 10 }
const pool = new Pool({ connectionString: url })
const db = drizzle(pool)
await db.execute(sql`create table orders (id text primary key, total numeric not null)`)
const placeOrder = () =>
  // #region outbox
  db.transaction(async (tx) => {
    await tx.execute(sql`insert into orders (id, total) values (${order.orderId}, ${order.total})`)
    await app.outbox(connectionOf(tx)).publish(OrderCreated(order))
  })
// #endregion
await placeOrder()
await assert.rejects(placeOrder())
assert.equal((await all(app.read())).length, 1)
await pool.end()
await app.stop()

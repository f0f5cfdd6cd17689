// biome-ignore-all assist/source/organizeImports: what is shown begins with its imports
import assert from 'node:assert/strict'
import { hodisa } from 'hodisa'
import { postgres } from 'hodisa/postgres'
import { all } from './all.ts'
import { OrderCreated } from './events.ts'
// #region connection
import knex, { type Knex } from 'knex'

/** A Knex transaction as `app.outbox()` takes it. */
function connectionOf(trx: Knex.Transaction) {
  return {
    async query(text: string, values: readonly unknown[] = []) {
      const used = [...text.matchAll(/\$(\d+)/g)].map(([, number]) => values[Number(number) - 1])
      return trx.raw(text.replaceAll(/\$\d+/g, '?'), used as Knex.RawBinding[])
    },
  }
}
// #endregion

const url = process.env.DATABASE_URL ?? ''
const app = await hodisa({ source: 'order-service', store: postgres(url), events: [OrderCreated] })
const order = { orderId: 'ord_1', userId: 'usr_1', total: 10 }
const db = knex({ client: 'pg', connection: url })
await db.raw('create table orders (id text primary key, total numeric not null)')
const placeOrder = () =>
  // #region outbox
  db.transaction(async (trx) => {
    await trx('orders').insert({ id: order.orderId, total: order.total })
    await app.outbox(connectionOf(trx)).publish(OrderCreated(order))
  })
// #endregion
await placeOrder()
await assert.rejects(placeOrder())
assert.equal((await all(app.read())).length, 1)
await db.destroy()
await app.stop()

import assert from 'node:assert/strict'
import Database from 'better-sqlite3'
import { hodisa } from 'hodisa'
import { sqlite } from 'hodisa/sqlite'
import { all } from './all.ts'
import { OrderCreated } from './events.ts'

const app = await hodisa({ source: 'order-service', store: sqlite('shop.db'), events: [OrderCreated] })

// #region outbox
const db = new Database('shop.db') // your own connection, to the same file
db.pragma('synchronous = full') // better-sqlite3 opens WAL files with less
db.exec('create table if not exists orders (id text primary key, total real not null)')

const placeOrder = db.transaction((order: { orderId: string; userId: string; total: number }) => {
  db.prepare('insert into orders (id, total) values (?, ?)').run(order.orderId, order.total)
  app.outbox(db).publish(OrderCreated(order)) // recorded if, and only if, the transaction commits
})
placeOrder({ orderId: 'ord_1', userId: 'usr_1', total: 10 })
// #endregion

assert.throws(() => placeOrder({ orderId: 'ord_1', userId: 'usr_1', total: 10 }), /UNIQUE/)
assert.equal((await all(app.read())).length, 1)
db.close()

// #region transaction
await app.transaction(async (tx) => {
  await tx.sql`insert into orders (id, total) values (${'ord_2'}, ${20})`
  tx.publish(OrderCreated({ orderId: 'ord_2', userId: 'usr_1', total: 20 }))
})
// #endregion
assert.equal((await all(app.read())).length, 2)
await app.stop()

import assert from 'node:assert/strict'
import { hodisa } from 'hodisa'
import { postgres } from 'hodisa/postgres'
import { Client } from 'pg'
import { all } from './all.ts'
import { OrderCreated } from './events.ts'

const url = process.env.DATABASE_URL ?? ''
const app = await hodisa({ source: 'order-service', store: postgres(url), events: [OrderCreated] })
const order = { orderId: 'ord_1', userId: 'usr_1', total: 10 }

const client = new Client({ connectionString: url })
await client.connect()
await client.query('create table orders (id text primary key, total numeric not null)')
// #region outbox
await client.query('begin')
await client.query('insert into orders (id, total) values ($1, $2)', [order.orderId, order.total])
await app.outbox(client).publish(OrderCreated(order)) // delivered if, and only if, the transaction commits
await client.query('commit')
// #endregion
assert.equal((await all(app.read())).length, 1)
await assert.rejects(app.outbox(client).publish(OrderCreated(order)), { code: 'outbox-no-transaction' })
await client.end()
await app.stop()

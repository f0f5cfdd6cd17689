import assert from 'node:assert/strict'
import { hodisa } from 'hodisa'
import { sqlite } from 'hodisa/sqlite'
import { all } from './all.ts'
import { OrderCancelled, OrderCreated } from './events.ts'

const app = await hodisa({ source: 'shop', store: sqlite('shop.db'), events: [OrderCreated, OrderCancelled] })
await app.publish(OrderCreated({ orderId: 'ord_1', userId: 'usr_1', total: 10 }))
await app.publish(OrderCancelled({ orderId: 'ord_1', reason: 'none' }))
await app.publish(OrderCreated({ orderId: 'ord_2', userId: 'usr_1', total: 10 }))

// #region read
// The events of one order, by revision.
for await (const event of app.read({ stream: 'order-ord_1' })) console.log(event.revision, event.type)

// The whole log from a time on, only some types; in pages, so that memory stays flat.
const lastHour = new Date(Date.now() - 3_600_000)
for await (const event of app.read({ from: lastHour, types: ['order.created', 'payment.**'] })) {
  console.log(event.position, event.type, event.timestamp)
}

// The newest ten.
for await (const event of app.read({ backwards: true, limit: 10 })) console.log(event.id)
// #endregion
assert.equal((await all(app.read({ stream: 'order-ord_1' }))).length, 2)
assert.equal((await all(app.read({ from: lastHour, types: 'order.created' }))).length, 2)

// #region tail
const controller = new AbortController()
for await (const event of app.tail({ from: 'start', types: 'order.*', signal: controller.signal })) {
  console.log(event.type)
  if (event.type === 'order.cancelled') controller.abort() // else it goes on at the head
}
// #endregion
await app.stop()

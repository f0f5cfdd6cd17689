import assert from 'node:assert/strict'
import { hodisa, isHodisaError } from 'hodisa'
import { sqlite } from 'hodisa/sqlite'
import { all } from './all.ts'
import { OrderCancelled, OrderCreated, StockReserved } from './events.ts'

// #region open
const app = await hodisa({
  source: 'order-service', // every event carries it as metadata.source
  store: sqlite('shop.db'), // made where it does not exist
  events: [OrderCreated, OrderCancelled, StockReserved],
})
// #endregion

// #region publish
await app.publish(OrderCreated({ orderId: 'ord_1', userId: 'usr_1', total: 99.99 }))
await app.publish('order.created', { orderId: 'ord_2', userId: 'usr_1', total: 20 }) // by name, typed from `events`
await app.publish([
  OrderCreated({ orderId: 'ord_3', userId: 'usr_2', total: 7 }),
  OrderCreated({ orderId: 'ord_4', userId: 'usr_2', total: 8 }),
]) // all of them, or none
// #endregion

// #region id
const order = { orderId: 'ord_5', userId: 'usr_2', total: 5 }
const first = await app.publish(OrderCreated(order, { id: 'checkout-8f2c' }))
const again = await app.publish(OrderCreated(order, { id: 'checkout-8f2c' }))
console.log(first.duplicate, again.duplicate) // false true: nothing was recorded the second time
// #endregion
assert.deepEqual([first.duplicate, again.duplicate], [false, true])
assert.deepEqual(again.ids, first.ids)

// #region expected
try {
  await app.publish(OrderCancelled({ orderId: 'ord_1', reason: 'too late' }), { expectedRevision: 0 })
} catch (error) {
  if (!isHodisaError(error, 'revision-conflict')) throw error
  console.log('somebody wrote first: read the stream again, and decide anew')
}
// #endregion
assert.equal((await all(app.read({ stream: 'order-ord_1' }))).length, 1)

// #region append
await app.append([
  {
    stream: 'order-ord_2',
    events: [OrderCancelled({ orderId: 'ord_2', reason: 'changed mind' })],
    expectedRevision: 1,
  },
  { stream: 'stock-sku_1', events: [StockReserved({ sku: 'sku_1', orderId: 'ord_2', quantity: -1 })] },
  { stream: 'order-ord_9', events: [], expectedRevision: 'none' }, // only checked
])
// #endregion

// #region invalid
try {
  await app.publish('order.created', { orderId: 'ord_6', userId: 'usr_2', total: -1 })
} catch (error) {
  if (!isHodisaError(error, 'invalid-data')) throw error
  console.log(error.code, error.message, error.fix, error.details.issues)
}
// #endregion

assert.equal((await all(app.read())).length, 7)
await app.stop()

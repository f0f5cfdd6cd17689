import assert from 'node:assert/strict'
import { defineQuery, hodisa } from 'hodisa'
import { sqlite } from 'hodisa/sqlite'
import { z } from 'zod'
import { OrderCancelled, OrderCreated, OrderSummary } from './projections-views.ts'

// #region run
const app = await hodisa({ source: 'shop', store: sqlite('shop.db'), events: [OrderCreated, OrderCancelled] })
app.project(OrderSummary) // this program builds the view
await app.start()

const receipt = await app.publish(OrderCreated({ orderId: 'ord_456', userId: 'usr_789', total: 99.99 }))
const summary = await app.view(OrderSummary, { after: receipt }).get('ord_456')
console.log(summary?.status) // 'open'
// #endregion
assert.equal(summary?.status, 'open')

// #region find
const view = app.view(OrderSummary)
const page = await view.find({ where: { userId: 'usr_789', total: { gt: 10 } }, orderBy: '-total', limit: 20 })
for (const found of page.documents) console.log(found.orderId, found.total)
const next = await view.find({
  where: { userId: 'usr_789', total: { gt: 10 } },
  orderBy: '-total',
  limit: 20,
  after: page.after,
})
const open = await view.count({ where: { status: 'open' } })
const some = await view.getMany(['ord_456', 'ord_457']) // those that exist, by id
// #endregion
assert.deepEqual([page.ids, next.ids.length, open, some.size], [['ord_456'], 1, 1, 1])

// #region query
const OrdersOfUser = defineQuery('orders-of-user', {
  input: z.object({ userId: z.string(), limit: z.number().default(20) }),
  handler: async ({ userId, limit }, { view }) => {
    const { documents } = await view(OrderSummary).find({ where: { userId }, limit })
    return documents
  },
})
const orders = await app.query(OrdersOfUser, { userId: 'usr_789' })
// #endregion
assert.equal(orders.length, 1)

// #region rebuild
const { events, documents } = await app.projections.rebuild(OrderSummary, {
  onProgress: ({ position, head, rate }) => console.log(`${position} of ${head}, ${rate} events/s`),
})
const { differences } = await app.projections.verify(OrderSummary)
// #endregion
assert.deepEqual([events, documents, differences], [1, 1, 0])
await app.stop()

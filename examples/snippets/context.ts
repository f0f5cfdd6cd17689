import assert from 'node:assert/strict'
import { hodisa } from 'hodisa'
import { sqlite } from 'hodisa/sqlite'
import { all } from './all.ts'
import { OrderCreated, ReceiptSent } from './events.ts'

const app = await hodisa({ source: 'shop', store: sqlite('shop.db'), events: [OrderCreated, ReceiptSent] })
app.service('email', { from: 'start' }).on(OrderCreated, (event, ctx) => {
  ctx.publish(ReceiptSent({ orderId: event.data.orderId }))
})
await app.start()

// #region context
await app.context({ correlationId: 'req_42' }, async () => {
  await app.publish(OrderCreated({ orderId: 'ord_1', userId: 'usr_1', total: 10 }))
})
await app.settled()

for await (const event of app.read({ correlationId: 'req_42' })) {
  console.log(event.type, event.metadata.correlationId, event.metadata.causationId)
}
// order.created req_42 undefined
// receipt.sent req_42 <the id of order.created>
// #endregion

const [created, sent] = await all(app.read({ correlationId: 'req_42' }))
assert.equal(sent?.metadata.causationId, created?.id)
await app.stop()

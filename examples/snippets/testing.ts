import assert from 'node:assert/strict'
import { type App, hodisa, type StoreFactory } from 'hodisa'
import { memory } from 'hodisa/memory'
import { OrderCreated, ReceiptSent } from './events.ts'

// #region test
const sent: string[] = []

async function emailApp(store: StoreFactory): Promise<App<[typeof OrderCreated, typeof ReceiptSent]>> {
  const app = await hodisa({ source: 'test', store, events: [OrderCreated, ReceiptSent] })
  app.service('email', { from: 'start' }).on(OrderCreated, (event, ctx) => {
    sent.push(event.data.orderId)
    ctx.publish(ReceiptSent({ orderId: event.data.orderId }))
  })
  return app
}

const app = await emailApp(memory()) // the same rules as SQLite, without a file
await app.start()
await app.publish('order.created', { orderId: 'ord_1', userId: 'usr_1', total: 10 })
await app.settled() // no sleeping, no polling

assert.deepEqual(sent, ['ord_1'])
for await (const event of app.read({ types: 'receipt.sent' })) assert.equal(event.metadata.source, 'test')
await app.stop()
// #endregion

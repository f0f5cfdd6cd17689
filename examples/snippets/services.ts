import assert from 'node:assert/strict'
import { hodisa, PermanentError } from 'hodisa'
import { sqlite } from 'hodisa/sqlite'
import { all } from './all.ts'
import { OrderCancelled, OrderCreated, ReceiptSent } from './events.ts'

const mailed: string[] = []
const mailer = {
  async send(receipt: { readonly orderId: string }, _options: { readonly idempotencyKey: string }): Promise<void> {
    if (receipt.orderId === 'ord_bad') throw new PermanentError('there is no such address')
    mailed.push(receipt.orderId)
  },
}
const app = await hodisa({
  source: 'email-service',
  store: sqlite('shop.db'),
  events: [OrderCreated, OrderCancelled, ReceiptSent],
})

// #region service
const email = app.service('email', { concurrency: 10, from: 'start', timeout: '10s' })

email.on(OrderCreated, async (event, ctx) => {
  await mailer.send(event.data, { idempotencyKey: ctx.idempotencyKey })
  ctx.publish(ReceiptSent({ orderId: event.data.orderId })) // recorded when the handler resolves
})
email.on('order.*', (event) => {
  console.log(event.type) // whatever no handler is more specific for
})

await app.start() // resolves when the subscriptions are recorded
// #endregion

await app.publish([
  OrderCreated({ orderId: 'ord_1', userId: 'usr_1', total: 1 }),
  OrderCreated({ orderId: 'ord_bad', userId: 'usr_2', total: 2 }),
  OrderCancelled({ orderId: 'ord_1', reason: 'none' }),
])
await app.settled()
assert.deepEqual(mailed, ['ord_1'])

// #region dead
for (const letter of await app.deadLetters.list({ service: 'email' })) {
  console.log(letter.id, letter.key, letter.error.message, letter.event.data)
}
// #endregion
const [letter] = await app.deadLetters.list()
assert.equal(letter?.key, 'order-ord_bad')

// #region redrive
if (letter !== undefined) {
  await app.deadLetters.redrive(letter.id, { data: { orderId: 'ord_good', userId: 'usr_2', total: 2 } })
}
await app.settled()
// #endregion
assert.deepEqual(mailed, ['ord_1', 'ord_good'])
assert.equal((await app.deadLetters.list()).length, 0)

const sent = await all(app.read({ types: 'receipt.sent' }))
assert.equal(sent.length, 2)
await app.stop()

import { hodisa } from 'hodisa'
import { OrderCreated, ReceiptSent } from '../events.ts'
import { MailProvider } from '../mail-provider.ts'
import { totalOf } from '../money.ts'
import { serve } from '../process.ts'
import { receiptFor } from '../receipt.ts'
import { receiptsFolder, storeAt, storePlace } from '../store.ts'
import { prepareTables, recordEffect } from '../tables.ts'

const app = await hodisa({
  source: 'email-service',
  store: storeAt(storePlace()),
  events: [OrderCreated, ReceiptSent],
})
await prepareTables(app)
const mail = await MailProvider.open(receiptsFolder(storePlace()))

app.service('email', { concurrency: 10, from: 'start' }).on(OrderCreated, async (event, ctx) => {
  const { invoice, lines } = event.data
  const receipt = receiptFor(event.data)
  // A mail cannot be rolled back. If this process dies after it, the same key is sent again, and the provider knows it.
  await mail.send(receipt, { idempotencyKey: ctx.idempotencyKey })
  await ctx.commit(async (tx) => {
    await recordEffect(tx, 'email', event)
    tx.publish(ReceiptSent({ invoice, to: receipt.to, total: totalOf(lines) }))
  })
})

await serve(app)

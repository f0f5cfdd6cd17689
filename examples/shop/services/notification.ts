import { hodisa } from 'hodisa'
import { ReceiptSent } from '../events.ts'
import { formatPounds } from '../money.ts'
import { serve } from '../process.ts'
import { storeAt, storePlace } from '../store.ts'
import { prepareTables, recordEffect } from '../tables.ts'

/*
 * The service that was added later. No other service knows of it; it begins at the start of the log and so gets every receipt
 * that was ever sent.
 */
const app = await hodisa({ source: 'notification-service', store: storeAt(storePlace()), events: [ReceiptSent] })
await prepareTables(app)

app.service('notification', { concurrency: 16, from: 'start' }).on('receipt.sent', async (event, ctx) => {
  const { invoice, to, total } = event.data
  const message = `Order ${invoice} is on its way: the receipt for £${formatPounds(total)} went to ${to}.`
  await ctx.commit(async (tx) => {
    await tx.sql`insert into notice (invoice, message) values (${invoice}, ${message})`
    await recordEffect(tx, 'notification', event)
  })
})

await serve(app)

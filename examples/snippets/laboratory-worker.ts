// #region worker
import type { App } from 'hodisa'
import { OrderCreated, ReceiptSent } from './events.ts'

export const events = [OrderCreated, ReceiptSent]

/** What is published as number 0, 1, 2 …: the same for the same number, because it may be published again. */
export function workload(number: number, random: () => number) {
  return OrderCreated({ orderId: `ord_${number % 50}`, userId: 'usr_1', total: Math.ceil(random() * 100) })
}

/** Every process of a run calls it. */
export function services(app: App): void {
  app.service('email', { from: 'start', concurrency: 4 }).on(OrderCreated, async (event, ctx) => {
    await ctx.commit((tx) => tx.publish(ReceiptSent({ orderId: event.data.orderId })))
  })
}

/** Optional: services that always use `ctx.commit`, and what must follow from each event, once. */
export const commits = ['email']
export const followUps = [{ of: 'order.created', type: 'receipt.sent' }]
// #endregion

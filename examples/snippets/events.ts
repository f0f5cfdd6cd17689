import { defineEvent } from 'hodisa'
import { z } from 'zod'

// #region define
export const OrderCreated = defineEvent('order.created', {
  schema: z.object({ orderId: z.string(), userId: z.string(), total: z.number().nonnegative() }),
  stream: (order) => order.orderId, // recorded in stream "order-<orderId>"
})

export const OrderCancelled = defineEvent('order.cancelled', {
  schema: z.object({ orderId: z.string(), reason: z.string() }),
  stream: (order) => order.orderId, // the same stream, so the same order of events
})

export const StockReserved = defineEvent('stock.reserved', {
  schema: z.object({ sku: z.string(), orderId: z.string(), quantity: z.number().int() }),
  stream: (stock) => stock.sku,
})
// #endregion

export const ReceiptSent = defineEvent('receipt.sent', {
  schema: z.object({ orderId: z.string() }),
})

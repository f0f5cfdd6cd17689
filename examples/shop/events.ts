import { defineEvent } from 'hodisa'
import { z } from 'zod'

const Line = z.object({
  sku: z.string(),
  description: z.string(),
  /** Negative in what comes back or is written off. */
  quantity: z.int(),
  /** Of one unit, in thousandths of a pound. */
  price: z.int(),
})

const Invoice = z.object({
  invoice: z.string(),
  placedAt: z.string(),
  /** Null where the shop did not ask. */
  customer: z.string().nullable(),
  country: z.string(),
  lines: z.array(Line).min(1),
})
export type Invoice = z.infer<typeof Invoice>

const byInvoice = (data: { invoice: string }) => data.invoice

export const OrderCreated = defineEvent('order.created', { schema: Invoice, stream: byInvoice })
export const OrderReturned = defineEvent('order.returned', { schema: Invoice, stream: byInvoice })
export const StockAdjusted = defineEvent('stock.adjusted', { schema: Invoice, stream: byInvoice })

export const StockReserved = defineEvent('stock.reserved', {
  schema: z.object({ invoice: z.string(), units: z.int() }),
  stream: byInvoice,
})

export const ReceiptSent = defineEvent('receipt.sent', {
  schema: z.object({ invoice: z.string(), to: z.string(), total: z.int() }),
  stream: byInvoice,
})

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

export const Invoice = z.object({
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
export const OrderConfirmed = defineEvent('order.confirmed', {
  schema: z.object({ invoice: z.string(), units: z.int() }),
  stream: byInvoice,
})

/** What was counted in the warehouse, or thrown away: an invoice like any other, about many products. */
export const StockAdjusted = defineEvent('stock.adjusted', { schema: Invoice, stream: byInvoice })

/** Units of one product, with the sign that they have on the invoice. */
export const Move = z.object({ invoice: z.string(), units: z.int() })
export type Move = z.infer<typeof Move>

// Of one product each: their stream is the product's, see aggregates/product.ts.
export const StockReserved = defineEvent('stock.reserved', { schema: Move })
export const StockReturned = defineEvent('stock.returned', { schema: Move })
export const StockCorrected = defineEvent('stock.corrected', { schema: Move })
export const StockDelivered = defineEvent('stock.delivered', { schema: z.object({ units: z.int() }) })

export const ReceiptSent = defineEvent('receipt.sent', {
  schema: z.object({ invoice: z.string(), to: z.string(), total: z.int() }),
  stream: byInvoice,
})

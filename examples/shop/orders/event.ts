import { type Invoice, OrderCreated, OrderReturned, StockAdjusted } from '../events.ts'

/** What an invoice tells. Its id derives from the invoice's number, so that it is recorded once, however often it is read. */
export function eventOf(invoice: Invoice) {
  const id = `invoice-${invoice.invoice}`
  if (invoice.invoice.startsWith('C')) return OrderReturned(invoice, { id })
  if (invoice.lines.every(({ quantity }) => quantity > 0)) return OrderCreated(invoice, { id })
  return StockAdjusted(invoice, { id })
}

import { type Invoice, OrderCreated, OrderReturned, StockAdjusted } from '../events.ts'

/** Derived from the invoice's number, so that it is recorded once, however often it is read. */
export function eventIdOf({ invoice }: Invoice): string {
  return `invoice-${invoice}`
}

/** What an invoice tells. */
export function eventOf(invoice: Invoice) {
  const id = eventIdOf(invoice)
  if (invoice.invoice.startsWith('C')) return OrderReturned(invoice, { id })
  if (invoice.lines.every(({ quantity }) => quantity > 0)) return OrderCreated(invoice, { id })
  return StockAdjusted(invoice, { id })
}

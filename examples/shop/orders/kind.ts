import type { Invoice } from '../events.ts'

/** What an invoice is about. */
export function kindOf({ invoice, lines }: Invoice): 'order' | 'return' | 'adjustment' {
  if (invoice.startsWith('C')) return 'return'
  return lines.every(({ quantity }) => quantity > 0) ? 'order' : 'adjustment'
}

/** Derived from its number, so that it is recorded once, however often it is read. */
export function idOf({ invoice }: Invoice): string {
  return `invoice-${invoice}`
}

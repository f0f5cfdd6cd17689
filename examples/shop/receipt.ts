import type { Invoice } from './events.ts'
import { formatPounds, totalOf } from './money.ts'

/** A mail, as one hands it to a provider. */
export interface Mail {
  readonly reference: string
  readonly to: string
  readonly subject: string
  readonly text: string
}

export function receiptFor(order: Invoice): Mail {
  const rows = order.lines.map(
    ({ quantity, description, sku, price }) =>
      `${String(quantity).padStart(6)} × ${description || sku}  £${formatPounds(quantity * price)}`,
  )
  return {
    reference: order.invoice,
    to: `customer-${order.customer ?? 'counter'}@example.com`,
    subject: `Your order ${order.invoice}`,
    text: [
      `Thank you for your order of ${order.placedAt}.`,
      '',
      ...rows,
      '',
      `Total £${formatPounds(totalOf(order.lines))}`,
    ].join('\n'),
  }
}

import { defineProjection } from 'hodisa'
import { OrderConfirmed, OrderCreated, ReceiptSent } from '../events.ts'
import { totalOf } from '../money.ts'

export interface OrderSummary {
  readonly invoice: string
  readonly placedAt: string
  readonly customer: string | null
  readonly country: string
  /** In thousandths of a pound. */
  readonly total: number
  readonly confirmed: boolean
  readonly receiptSent: boolean
}

/** Each order as a customer sees it, by its invoice. */
export const OrderSummaries = defineProjection<OrderSummary>('order-summary', {
  version: 1,
  indexes: ['customer', 'placedAt'],
})
  .on(OrderCreated, (view, { data: { lines, ...order } }) =>
    view.set(order.invoice, { ...order, total: totalOf(lines), confirmed: false, receiptSent: false }),
  )
  .on(OrderConfirmed, (view, { data }) => view.update(data.invoice, (order) => ({ ...order, confirmed: true })))
  .on(ReceiptSent, (view, { data }) => view.update(data.invoice, (order) => ({ ...order, receiptSent: true })))

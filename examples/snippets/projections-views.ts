// #region define
import { defineEvent, defineProjection } from 'hodisa'
import { z } from 'zod'

const order = z.object({ orderId: z.string(), userId: z.string(), total: z.number() })

export const OrderCreated = defineEvent('order.created', { schema: order, stream: (data) => data.orderId })
export const OrderCancelled = defineEvent('order.cancelled', {
  schema: z.object({ orderId: z.string() }),
  stream: (data) => data.orderId,
})

export interface Summary {
  readonly orderId: string
  readonly userId: string
  readonly total: number
  readonly status: 'open' | 'cancelled'
}

export const OrderSummary = defineProjection<Summary>('order-summary', { version: 1, indexes: ['userId', 'status'] })
  .on(OrderCreated, (view, event) => view.set(event.data.orderId, { ...event.data, status: 'open' }))
  .on(OrderCancelled, (view, event) =>
    view.update(event.data.orderId, (summary) => ({ ...summary, status: 'cancelled' })),
  )
// #endregion

export const UserRemoved = defineEvent('user.removed', { schema: z.object({ userId: z.string() }) })

// #region many
type OrderOrUser = { readonly total: number } | { readonly orders: readonly string[] }

export const Orders = defineProjection<OrderOrUser>('orders', { version: 1 })
  .on(OrderCreated, (view, { data }) => {
    view.set(data.orderId, { total: data.total })
    view.upsert(`user ${data.userId}`, (user) => ({
      orders: user && 'orders' in user ? [...user.orders, data.orderId] : [data.orderId],
    }))
  })
  .on(UserRemoved, async (view, { data }) => {
    const user = await view.get(`user ${data.userId}`)
    if (user && 'orders' in user) for (const orderId of user.orders) view.delete(orderId)
    view.delete(`user ${data.userId}`)
  })
// #endregion

// #region inline
export const Stock = defineProjection<{ readonly left: number }>('stock', { version: 1, inline: true }).on(
  'stock.counted',
  (view, event) => {
    const { sku, left } = event.data as { sku: string; left: number }
    view.set(sku, { left })
  },
)
// #endregion

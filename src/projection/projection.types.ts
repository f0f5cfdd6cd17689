/* What the compiler promises of projections, views and queries. Checked by `npm run typecheck`; nothing here runs. */
import { z } from 'zod'
import type { App } from '../app-types.ts'
import { defineEvent, unchecked } from '../event/definition.ts'
import { defineProjection } from './definition.ts'
import type { FieldPath, ValueAt } from './fields.ts'
import { defineQuery } from './query.ts'
import type { ProjectedEvent } from './types.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function holds<_Claim extends true>(): void {}

interface Order {
  readonly userId: string
  readonly total: number
  readonly status: 'open' | 'cancelled'
  readonly note?: string
  readonly paidAt: string | null
  readonly address: { readonly city: string; readonly zip?: { readonly code: number } }
  readonly items: readonly { readonly sku: string }[]
}

const Created = defineEvent('order.created', {
  schema: unchecked<{ readonly orderId: string; readonly order: Order }>(),
})
const Cancelled = defineEvent('order.cancelled', { schema: unchecked<{ readonly orderId: string }>() })

const Orders = defineProjection<Order>('orders', {
  version: 1,
  indexes: ['userId', 'address.city', 'address.zip.code'],
})

export function projectionTypes(app: App): void {
  // Fields of simple values, at any depth; no lists.
  holds<
    Equal<FieldPath<Order>, 'userId' | 'total' | 'status' | 'note' | 'paidAt' | 'address.city' | 'address.zip.code'>
  >()
  holds<Equal<ValueAt<Order, 'status'>, 'open' | 'cancelled'>>()
  holds<Equal<ValueAt<Order, 'address.zip.code'>, number>>()
  holds<Equal<ValueAt<Order, 'paidAt'>, string | null>>()
  // @ts-expect-error: no such field
  defineProjection<Order>('orders', { version: 1, indexes: ['user'] })
  // @ts-expect-error: a list is no simple value
  defineProjection<Order>('orders', { version: 1, indexes: ['items'] })

  // Handlers get the event of their definition, and write documents of the view.
  Orders.on(Created, (view, event) => {
    holds<Equal<typeof event, ProjectedEvent<'order.created', { readonly orderId: string; readonly order: Order }>>>()
    view.set(event.data.orderId, event.data.order)
    // @ts-expect-error: no document of this view
    view.set(event.data.orderId, { userId: 'u' })
    // @ts-expect-error: a writer does not know the position yet
    void event.position
  })
    .on([Cancelled, Created], (view, event) => {
      if (event.type === 'order.created') holds<Equal<typeof event.data.order, Order>>()
      view.update(event.data.orderId, (order) => ({ ...order, status: 'cancelled' }))
      // @ts-expect-error: no state of an order
      view.update(event.data.orderId, (order) => ({ ...order, status: 'gone' }))
    })
    .on('payment.*', async (view, event) => {
      holds<Equal<typeof event, ProjectedEvent>>()
      holds<Equal<Awaited<ReturnType<typeof view.get>>, Order | undefined>>()
    })

  const view = app.view(Orders)
  holds<Equal<Awaited<ReturnType<typeof view.get>>, Order | undefined>>()
  void view.find({
    where: { userId: 'u', total: { gt: 10, lte: 20 }, 'address.city': { prefix: 'T' } },
    orderBy: '-total',
  })
  void view.find({ where: { status: { in: ['open'] }, paidAt: null }, orderBy: 'address.zip.code' })
  // @ts-expect-error: no such field
  void view.find({ where: { user: 'u' } })
  // @ts-expect-error: of another type
  void view.find({ where: { total: 'ten' } })
  // @ts-expect-error: a number has no beginning
  void view.find({ where: { total: { prefix: '1' } } })
  // @ts-expect-error: none of its values
  void view.find({ where: { status: 'gone' } })
  // @ts-expect-error: no such field
  void view.find({ orderBy: '-user' })
  // @ts-expect-error: no such field
  void view.count({ where: { user: 'u' } })

  const OrdersOf = defineQuery('orders-of', {
    input: z.object({ userId: z.string(), limit: z.number().default(10) }),
    handler: async ({ userId, limit }, { view: read }) => {
      holds<Equal<typeof limit, number>>()
      return (await read(Orders).find({ where: { userId }, limit })).documents
    },
  })
  const found = app.query(OrdersOf, { userId: 'u' })
  holds<Equal<Awaited<typeof found>, readonly Order[]>>()
  // @ts-expect-error: the input is missing
  void app.query(OrdersOf)
  // @ts-expect-error: of another type
  void app.query(OrdersOf, { userId: 1 })
  const Count = defineQuery('count', { handler: (_, { view: read }) => read(Orders).count() })
  holds<Equal<Awaited<ReturnType<typeof app.query<undefined, number>>>, number>>()
  const count: Promise<number> = app.query(Count)
  void count
}

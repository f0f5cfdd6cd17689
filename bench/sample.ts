import { z } from 'zod'
import { defineEvent, unchecked } from './hodisa.ts'

/** How many streams the events of a log go to. */
export const STREAMS = 1_000

/** About 250 bytes of JSON. */
export interface Order {
  readonly orderId: string
  readonly userId: string
  readonly total: number
  readonly items: { sku: string; quantity: number; price: number }[]
  readonly note: string
}

export const TYPE = 'order.created'

/** The data of the event at a place in the log. */
export function order(index: number): Order {
  return {
    orderId: `ord_${index % STREAMS}`,
    userId: `usr_${index % 377}`,
    total: 9_999 + (index % 100),
    items: [
      { sku: 'SKU-85123A', quantity: 6, price: 255 },
      { sku: 'SKU-71053', quantity: 6, price: 339 },
      { sku: 'SKU-84406B', quantity: 8, price: 275 },
    ],
    note: 'Please leave the parcel with the neighbour at no. 12.',
  }
}

export function streamOf({ orderId }: Order): string {
  return `order-${orderId}`
}

/** Typed, and not validated at run time, as the events of the other tools. */
export const OrderCreated = defineEvent(TYPE, {
  schema: unchecked<Order>(),
  stream: ({ orderId }) => orderId,
})

/** The same with a schema that checks every event. */
export const CheckedOrderCreated = defineEvent(TYPE, {
  schema: z.object({
    orderId: z.string(),
    userId: z.string(),
    total: z.number(),
    items: z.array(z.object({ sku: z.string(), quantity: z.number(), price: z.number() })),
    note: z.string(),
  }),
  stream: ({ orderId }) => orderId,
})

/** What a stream of orders is folded to. */
export interface Total {
  readonly orders: number
  readonly sum: number
}

export const NOTHING: Total = { orders: 0, sum: 0 }

export function evolve({ orders, sum }: Total, { total }: Order): Total {
  return { orders: orders + 1, sum: sum + total }
}

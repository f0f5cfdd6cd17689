import { defineAggregate, reject } from 'hodisa'
import { type Invoice, OrderConfirmed, OrderCreated, OrderReturned } from '../events.ts'

interface OrderState {
  readonly status: 'new' | 'placed' | 'confirmed' | 'returned'
}
const initial: OrderState = { status: 'new' }

/** An order, by the number of its invoice. What comes back has an invoice of its own. */
export const Order = defineAggregate('order', {
  events: [OrderCreated, OrderConfirmed, OrderReturned],
  initial,
  evolve: {
    'order.created': (): OrderState => ({ status: 'placed' }),
    'order.confirmed': (): OrderState => ({ status: 'confirmed' }),
    'order.returned': (): OrderState => ({ status: 'returned' }),
  },
  commands: {
    place: ({ status }, invoice: Invoice) => (status === 'new' ? OrderCreated(invoice) : reject('known', { status })),
    giveBack: ({ status }, invoice: Invoice) =>
      status === 'new' ? OrderReturned(invoice) : reject('known', { status }),
    /** All that was ordered is reserved. */
    confirm: ({ status }, reserved: { invoice: string; units: number }) =>
      status === 'placed' ? OrderConfirmed(reserved) : reject('not-placed', { status }),
  },
})

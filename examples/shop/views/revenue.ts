import { defineProjection } from 'hodisa'
import { OrderCreated } from '../events.ts'
import { totalOf } from '../money.ts'

export interface CountryRevenue {
  readonly country: string
  readonly orders: number
  /** Of a pound: whole, and so exact. */
  readonly thousandths: number
}

/** What was ordered, by country. */
export const Revenue = defineProjection<CountryRevenue>('revenue', { version: 1, indexes: ['thousandths'] }).on(
  OrderCreated,
  (view, { data: { country, lines } }) =>
    view.upsert(country, (sum) => ({
      country,
      orders: (sum?.orders ?? 0) + 1,
      thousandths: (sum?.thousandths ?? 0) + totalOf(lines),
    })),
)

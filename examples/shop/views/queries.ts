import { defineQuery } from 'hodisa'
import { OrderSummaries, type OrderSummary } from './order-summary.ts'
import { type CountryRevenue, Revenue } from './revenue.ts'

/** What the terminal shows of the views. */
export interface Page {
  /** The countries that order most. */
  readonly revenue: readonly CountryRevenue[]
  /** The newest orders of whoever ordered last and said who they are. */
  readonly orders: readonly OrderSummary[]
}

/** A view that is still being built is for later. */
const soon = { timeout: '5ms' } as const

export const ShopPage = defineQuery('shop-page', {
  handler: async (_, { view }): Promise<Page> => {
    const revenue = await view(Revenue, soon).find({ orderBy: '-thousandths', limit: 3 })
    const summaries = view(OrderSummaries, soon)
    const newest = await summaries.find({ orderBy: '-placedAt', limit: 20 })
    const customer = newest.documents.find((order) => order.customer !== null)?.customer
    const orders = customer && (await summaries.find({ where: { customer }, orderBy: '-placedAt', limit: 3 }))
    return { revenue: revenue.documents, orders: orders ? orders.documents : [] }
  },
})

import type { App, View } from 'hodisa'
import { OrderSummaries } from '../views/order-summary.ts'
import { Revenue } from '../views/revenue.ts'
import { Stock } from '../views/stock.ts'

/** What the views say, as far as a report needs it. */
export async function readViews(app: Pick<App, 'view'>) {
  const summaries = await all(app.view(OrderSummaries))
  const countries = await app.view(Revenue).find({ orderBy: '-thousandths' })
  const stock = await all(app.view(Stock))
  return {
    finishedOrders: [...summaries]
      .filter(([, order]) => order.confirmed && order.receiptSent)
      .map(([invoice]) => invoice),
    orders: new Map(countries.documents.map(({ country, orders }) => [country, orders])),
    /** In thousandths of a pound, the largest first. */
    revenue: new Map(countries.documents.map(({ country, thousandths }) => [country, thousandths])),
    /** Net, by SKU. */
    units: new Map([...stock].map(([sku, { net }]) => [sku, net])),
  }
}

/** Every document, by its id. */
async function all<Doc>(view: View<Doc>): Promise<ReadonlyMap<string, Doc>> {
  const found = new Map<string, Doc>()
  let after: string | undefined
  do {
    const page = await view.find({ limit: 1_000, after })
    for (const [index, document] of page.documents.entries()) found.set(page.ids[index] ?? '', document)
    after = page.after
  } while (after !== undefined)
  return found
}

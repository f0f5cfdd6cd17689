import type { App } from 'hodisa'
import { Invoice, Move } from '../events.ts'
import { totalOf } from '../money.ts'
import type { ProductMove } from '../moves.ts'
import { skuOf } from '../views/stock.ts'
import { sums } from './compare.ts'

/** What the log says, read from its start and without any view. */
export interface LogContents {
  /** Orders, returns and adjustments. */
  readonly invoices: readonly Invoice[]
  readonly orders: readonly Invoice[]
  /** What became of the stock, for which invoice. */
  readonly moves: readonly ProductMove[]
  /** Sums without any view, to hold the views against. Revenue is in thousandths of a pound. */
  readonly ordersByCountry: ReadonlyMap<string, number>
  readonly revenueByCountry: ReadonlyMap<string, number>
  readonly unitsBySku: ReadonlyMap<string, number>
  /** Of the events of a type. */
  ids(type: string): readonly string[]
  /** The invoices that events of a type are about. */
  about(type: string): readonly string[]
}

export async function readLog(app: Pick<App, 'read'>): Promise<LogContents> {
  const invoices: Invoice[] = []
  const orders: Invoice[] = []
  const moves: ProductMove[] = []
  const events = new Map<string, { id: string; invoice: string }[]>()
  for await (const { id, type, stream = '', data } of app.read()) {
    const invoice = stream.slice(stream.indexOf('-') + 1)
    const ofType = events.get(type) ?? []
    events.set(type, ofType)
    ofType.push({ id, invoice })
    if (INVOICES.includes(type)) invoices.push(Invoice.parse(data))
    if (type === 'order.created') orders.push(Invoice.parse(data))
    if (MOVES.includes(type)) moves.push({ sku: skuOf(stream), ...Move.parse(data) })
  }
  return {
    ...{ invoices, orders, moves },
    ordersByCountry: sums(orders.map(({ country }) => [country, 1])),
    revenueByCountry: sums(orders.map(({ country, lines }) => [country, totalOf(lines)])),
    unitsBySku: sums(moves.map(({ sku, units }) => [sku, units])),
    ids: (type) => (events.get(type) ?? []).map(({ id }) => id),
    about: (type) => (events.get(type) ?? []).map(({ invoice }) => invoice),
  }
}

const INVOICES = ['order.created', 'order.returned', 'stock.adjusted']
const MOVES = ['stock.reserved', 'stock.returned', 'stock.corrected']

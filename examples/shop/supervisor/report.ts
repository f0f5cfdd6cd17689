import type { App } from 'hodisa'
import { deliveredReferences } from '../mail-provider.ts'
import { formatPounds } from '../money.ts'
import { movesOf, type ProductMove } from '../moves.ts'
import { compare, compareSums } from './compare.ts'
import type { Effects } from './effects.ts'
import { readLog } from './log.ts'
import { readViews } from './views.ts'

/** What a run came to. `lost` and `duplicates` count effects that are missing and effects that are there once more than they should. */
export interface Report {
  readonly orders: number
  readonly returns: number
  readonly adjustments: number
  readonly receipts: number
  readonly netUnits: number
  readonly revenueByCountry: Readonly<Record<string, string>>
  readonly lost: number
  readonly duplicates: number
  readonly kills: number
  readonly seconds: number
}

export interface Evidence {
  readonly app: Pick<App, 'read' | 'view'>
  readonly effects: Effects
  readonly receipts: string
  /** Numbers of the invoices that the source holds, as read without the shop. */
  readonly source: ReadonlySet<string>
  readonly kills: number
  readonly seconds: number
}

/** Counts what happened: what the source holds against the log, and the log against every effect of every service and every view. */
export async function reportOn({ app, effects, receipts, source, kills, seconds }: Evidence): Promise<Report> {
  const log = await readLog(app)
  const views = await readViews(app)
  const delivered = await deliveredReferences(receipts)
  const effectsOf = await effects.byService()
  const orders = log.orders.map(({ invoice }) => invoice)
  const invoices = log.invoices.map(({ invoice }) => invoice)
  const recorded = new Set(invoices)

  const findings = [
    { lost: [...source].filter((invoice) => !recorded.has(invoice)).length, duplicates: 0 },
    compare([...recorded], invoices),
    compare(log.ids('order.created'), effectsOf('email')),
    compare(log.ids('receipt.sent'), effectsOf('notification')),
    compare(orders, delivered),
    compare(orders, log.about('receipt.sent')),
    compare(orders, log.about('order.confirmed')),
    compare(log.invoices.flatMap(movesOf).map(moveName), log.moves.map(moveName)),
    compare(orders, views.finishedOrders),
    compareSums(log.ordersByCountry, views.orders),
    compareSums(log.revenueByCountry, views.revenue),
    compareSums(log.unitsBySku, views.units),
  ]
  return {
    orders: orders.length,
    returns: log.ids('order.returned').length,
    adjustments: log.ids('stock.adjusted').length,
    receipts: delivered.length,
    netUnits: [...views.units.values()].reduce((sum, units) => sum + units, 0),
    revenueByCountry: Object.fromEntries(
      [...views.revenue].map(([country, thousandths]) => [country, formatPounds(thousandths)]),
    ),
    lost: findings.reduce((sum, { lost }) => sum + lost, 0),
    duplicates: findings.reduce((sum, { duplicates }) => sum + duplicates, 0),
    kills,
    seconds: Math.round(seconds * 10) / 10,
  }
}

function moveName({ sku, invoice, units }: ProductMove): string {
  return `${units} of ${sku} for ${invoice}`
}

/** The report for people. */
export function reportText({ revenueByCountry, ...figures }: Report): string {
  const rows = Object.entries(figures).map(([name, value]) => `  ${name.padEnd(22)}${String(value).padStart(14)}`)
  const revenue = Object.entries(revenueByCountry).map(
    ([country, pounds]) => `  ${country.padEnd(22)}${`£${pounds}`.padStart(14)}`,
  )
  return ['', ...rows, '', '  Revenue of orders', ...revenue, ''].join('\n')
}

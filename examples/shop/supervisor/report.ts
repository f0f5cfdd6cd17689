import type { App } from 'hodisa'
import { OrderCreated, OrderReturned, ReceiptSent, StockAdjusted, StockReserved } from '../events.ts'
import { deliveredReferences } from '../mail-provider.ts'
import { formatPounds } from '../money.ts'
import type { Effects } from './effects.ts'

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
  readonly app: Pick<App, 'read'>
  readonly effects: Effects
  readonly receipts: string
  /** Ids of the events that the source holds, as read without the shop. */
  readonly source: ReadonlySet<string>
  readonly kills: number
  readonly seconds: number
}

/** Counts what happened: what the source holds against the log, and the log against every effect of every service. */
export async function reportOn({ app, effects, receipts, source, kills, seconds }: Evidence): Promise<Report> {
  const log = await readLog(app)
  const delivered = await deliveredReferences(receipts)
  const effectsOf = await effects.byService()
  const created = log.ids(OrderCreated.type)
  const returned = log.ids(OrderReturned.type)
  const adjusted = log.ids(StockAdjusted.type)
  const invoices = log.invoices(OrderCreated.type)
  const recorded = new Set([...created, ...returned, ...adjusted])

  const findings = [
    { lost: [...source].filter((id) => !recorded.has(id)).length, duplicates: 0 },
    compare([...recorded], effectsOf('inventory')),
    compare(created, effectsOf('email')),
    compare(created, effectsOf('analytics')),
    compare(log.ids(ReceiptSent.type), effectsOf('notification')),
    compare(invoices, delivered),
    compare(invoices, log.invoices(ReceiptSent.type)),
    compare(invoices, log.invoices(StockReserved.type)),
  ]
  return {
    orders: created.length,
    returns: returned.length,
    adjustments: adjusted.length,
    receipts: delivered.length,
    netUnits: await effects.netUnits(),
    revenueByCountry: Object.fromEntries(
      (await effects.revenue()).map(({ country, thousandths }) => [country, formatPounds(thousandths)]),
    ),
    lost: findings.reduce((sum, { lost }) => sum + lost, 0),
    duplicates: findings.reduce((sum, { duplicates }) => sum + duplicates, 0),
    kills,
    seconds: Math.round(seconds * 10) / 10,
  }
}

/** Each thing once: what is missing is lost, what is there again, or for no reason, is a duplicate. */
export function compare(wanted: readonly string[], seen: readonly string[]): { lost: number; duplicates: number } {
  const missing = new Set(wanted)
  let duplicates = 0
  for (const each of seen) {
    if (!missing.delete(each)) duplicates++
  }
  return { lost: missing.size, duplicates }
}

/** Ids and invoices of the events of each type. */
async function readLog(app: Pick<App, 'read'>) {
  const ids = new Map<string, string[]>()
  const invoices = new Map<string, string[]>()
  for await (const { id, type, stream = '' } of app.read()) {
    listOf(ids, type).push(id)
    listOf(invoices, type).push(stream.slice(stream.indexOf('-') + 1))
  }
  return { ids: (type: string) => listOf(ids, type), invoices: (type: string) => listOf(invoices, type) }
}

function listOf(lists: Map<string, string[]>, name: string): string[] {
  const list = lists.get(name) ?? []
  lists.set(name, list)
  return list
}

/** The report for people. */
export function reportText({ revenueByCountry, ...figures }: Report): string {
  const rows = Object.entries(figures).map(([name, value]) => `  ${name.padEnd(22)}${String(value).padStart(14)}`)
  const revenue = Object.entries(revenueByCountry).map(
    ([country, pounds]) => `  ${country.padEnd(22)}${`£${pounds}`.padStart(14)}`,
  )
  return ['', ...rows, '', '  Revenue of orders', ...revenue, ''].join('\n')
}

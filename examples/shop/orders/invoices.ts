import type { Invoice } from '../events.ts'
import { parsePounds } from '../money.ts'
import { csvRecords } from './csv.ts'

const COLUMNS = [
  'InvoiceNo',
  'StockCode',
  'Description',
  'Quantity',
  'InvoiceDate',
  'UnitPrice',
  'CustomerID',
  'Country',
] as const
type Row = Readonly<Record<(typeof COLUMNS)[number], string>>

/** Called for every line that cannot be read, with its number from 1. */
export type OnProblem = (line: number, reason: string) => void

/** An invoice as it stands in the source, and the line of the file it begins at. */
export interface SourceInvoice {
  readonly invoice: Invoice
  readonly line?: number
}

export class UnreadableFileError extends Error {
  override readonly name = 'UnreadableFileError'
}

/** Puts the lines of a CSV file together into invoices: lines of an invoice stand together. */
export async function* invoicesOf(
  lines: AsyncIterable<string>,
  onProblem: OnProblem,
): AsyncGenerator<Required<SourceInvoice>, void, undefined> {
  let rowOf: ((fields: readonly string[]) => Row) | undefined
  let current: Required<SourceInvoice> | undefined
  for await (const { line, fields } of csvRecords(lines)) {
    if (rowOf === undefined) {
      rowOf = rowReader(fields ?? [])
      continue
    }
    if (fields === undefined) {
      onProblem(line, 'its quotes or its number of fields are wrong')
      continue
    }
    const read = readRow(rowOf(fields))
    if (typeof read === 'string') {
      onProblem(line, read)
    } else if (current?.invoice.invoice === read.invoice) {
      current.invoice.lines.push(...read.lines)
    } else {
      if (current !== undefined) yield current
      current = { invoice: read, line }
    }
  }
  if (rowOf === undefined) throw new UnreadableFileError('the file is empty: its first line must name the columns')
  if (current !== undefined) yield current
}

function rowReader(header: readonly string[]): (fields: readonly string[]) => Row {
  const names = header.map((name) => name.replace(/^\uFEFF/, '').trim())
  const missing = COLUMNS.filter((column) => !names.includes(column))
  if (missing.length > 0) throw new UnreadableFileError(`the first line lacks the columns ${missing.join(', ')}`)
  const places = COLUMNS.map((column) => [column, names.indexOf(column)] as const)
  return (fields) => Object.fromEntries(places.map(([column, place]) => [column, fields[place] ?? ''])) as Row
}

/** An invoice of this one line, or why there is none. */
function readRow(row: Row): Invoice | string {
  const invoice = row.InvoiceNo.trim()
  const sku = row.StockCode.trim()
  const country = row.Country.trim()
  const quantity = /^[+-]?\d+$/.test(row.Quantity.trim()) ? Number(row.Quantity) : Number.NaN
  const price = parsePounds(row.UnitPrice.trim())
  const placedAt = row.InvoiceDate.trim().replace(' ', 'T')
  if (!/^\w[\w.-]{0,49}$/.test(invoice)) return `InvoiceNo ${shown(row.InvoiceNo)} is no invoice number`
  if (sku === '') return 'StockCode is empty'
  if (!Number.isSafeInteger(quantity)) return `Quantity ${shown(row.Quantity)} is no whole number`
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.test(placedAt) || Number.isNaN(Date.parse(`${placedAt}Z`))) {
    return `InvoiceDate ${shown(row.InvoiceDate)} is no date and time`
  }
  if (price === undefined) return `UnitPrice ${shown(row.UnitPrice)} is no amount of at most three decimals`
  if (!Number.isSafeInteger(quantity * price)) return 'Quantity times UnitPrice is too large'
  if (country === '') return 'Country is empty'
  const customer = row.CustomerID.trim().replace(/\.0$/, '') || null
  return {
    invoice,
    placedAt,
    customer,
    country,
    lines: [{ sku, description: row.Description.trim(), quantity, price }],
  }
}

function shown(value: string): string {
  return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
}

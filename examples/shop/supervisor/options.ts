import { parseArgs } from 'node:util'
import { isServiceName, SERVICES, type ServiceName } from './services.ts'

export const HELP = `The shop: orders, stock, receipts, figures and notifications, each a service of its own, on one event log.

npm start                                     a steady stream of made-up orders, until Ctrl-C
npm start -- --orders FILE --once             the orders of a CSV file (plain or gzip), then a report
npm start -- --orders FILE --once --chaos     the same, while processes are killed: the figures stay the same

  --orders FILE    invoice lines: InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country
  --once           stop when every service has finished, and report; without --orders, 2,000 made-up invoices
  --json           with --once: the report as one line of JSON, the last on stdout
  --chaos          SIGKILL at least ten running processes on the way, order included
  --seed N         whom --chaos kills; without it, one is chosen and shown
  --down SERVICE   leave a service down until all orders are in; may be repeated
  --store STORE    keep the log here, and the receipts beside it: a file, or postgres://user@host/database#schema;
                   "postgres" is a server of its own; by default a temporary folder. Both are removed at the end
  --rate N         invoices a second; by default 40 of the made-up stream, and as fast as it goes with --once or --orders
  --help           this text
`

export interface Options {
  readonly orders: string | undefined
  /** How many invoices to make up; undefined with a file, or without end. */
  readonly count: number | undefined
  readonly once: boolean
  readonly json: boolean
  readonly chaos: boolean
  readonly seed: number
  readonly down: readonly ServiceName[]
  readonly store: string | undefined
  readonly rate: number | undefined
}

export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What the command line asks for; `'help'` where it asks for that. @throws {UsageError} */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const flags = parseFlags(args)
  if (flags.help) return 'help'
  const endless = flags.orders === undefined && !flags.once
  if (flags.json && !flags.once) throw new UsageError('--json is for the report: give --once with it')
  if (flags.down.length > 0 && endless) {
    throw new UsageError('--down lasts until all orders are in, and these have no end: give --once or --orders with it')
  }
  return {
    orders: flags.orders,
    count: flags.orders === undefined && flags.once ? 2_000 : undefined,
    once: flags.once,
    json: flags.json,
    chaos: flags.chaos,
    seed: flags.seed === undefined ? Math.floor(Math.random() * 1_000_000) : wholeNumber('--seed', flags.seed),
    down: flags.down.map(serviceToLeaveDown),
    store: flags.store,
    rate: flags.rate === undefined ? (endless ? 40 : undefined) : positive('--rate', flags.rate),
  }
}

function parseFlags(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        orders: { type: 'string' },
        once: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        chaos: { type: 'boolean', default: false },
        seed: { type: 'string' },
        down: { type: 'string', multiple: true, default: [] },
        store: { type: 'string' },
        rate: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function serviceToLeaveDown(name: string): ServiceName {
  if (isServiceName(name) && name !== 'order') return name
  const names = SERVICES.map((service) => service.name).filter((service) => service !== 'order')
  throw new UsageError(`--down takes one of ${names.join(', ')}, not ${name}`)
}

function wholeNumber(flag: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError(`${flag} must be a whole number from 0, not ${text}`)
}

function positive(flag: string, text: string): number {
  const number = Number(text)
  if (Number.isFinite(number) && number > 0) return number
  throw new UsageError(`${flag} must be a number above 0, not ${text}`)
}

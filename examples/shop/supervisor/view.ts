import { formatPounds } from '../money.ts'
import type { ServiceLine, Snapshot } from './monitor.ts'
import { bar, type Canvas, clock, count, type Line, type Piece, paint } from './paint.ts'

/** The whole picture, as lines no wider than the canvas. */
export function view(snapshot: Snapshot, title: string, canvas: Canvas): string[] {
  const head: Line[] = [
    [],
    [' ', { text: 'The shop', style: 'bold' }, `  ${title}  `, { text: clock(snapshot.seconds), style: 'dim' }],
    headline(snapshot),
  ]
  const foot: Line[] = [[], ...table(snapshot.services), [], [{ text: ' Ctrl-C stops everything', style: 'dim' }]]
  const middle: Line[] = [[], ...flow(snapshot), ...views(snapshot)]
  const fits = head.length + middle.length + foot.length <= canvas.rows
  return [...head, ...(fits ? middle : []), ...foot].map((line) => paint(line, canvas))
}

/** The same in one line, for a log. */
export function summary({ seconds, total, invoices, perSecond, events, services }: Snapshot): string {
  const read = total === undefined ? count(invoices) : `${count(invoices)}/${count(total)}`
  const lags = services.flatMap(({ name, lag }) => (lag === undefined ? [] : [`${name} ${count(lag)}`]))
  const failures = services.reduce((sum, { retrying, parked }) => sum + retrying + parked, 0)
  const restarts = services.reduce((sum, service) => sum + service.restarts, 0)
  return [
    clock(seconds),
    `invoices ${read}`,
    `events ${count(sum(events))} (${count(perSecond)}/s)`,
    `lag ${lags.join(' ') || '-'}`,
    `failing ${failures}`,
    `restarts ${restarts}`,
  ].join('  ')
}

function headline({ invoices, total, perSecond, events }: Snapshot): Line {
  const rates = `  ${count(perSecond).padStart(5)} events/s  ${count(sum(events))} events`
  if (total === undefined) return [rates.replace(/^ /, '')]
  const share = total === 0 ? 1 : invoices / total
  return [' ', ...bar(share, 30), ` ${String(Math.floor(share * 100)).padStart(3)} %`, rates]
}

/** Which service says what to which. */
function flow({ events }: Snapshot): Line[] {
  const type = (name: string): Line => [{ text: name, style: 'cyan' }, count(events.get(name) ?? 0).padStart(7), ' ']
  const service = (name: string): Piece => ({ text: name, style: 'bold' })
  return [
    [
      ' ',
      service('order'),
      ' ┬ ',
      ...type('order.created'),
      ' ┬→ ',
      service('inventory'),
      ' ─→ ',
      ...type('order.confirmed'),
    ],
    [
      '       │',
      ' '.repeat(23),
      '├→ ',
      service('email'),
      ' ─→ ',
      ...type('receipt.sent'),
      '─→ ',
      service('notification'),
    ],
    ['       │', ' '.repeat(23), '└→ ', service('analytics')],
    ['       ├ ', ...type('order.returned'), '─→ ', service('inventory')],
    ['       └ ', ...type('stock.adjusted'), '─→ ', service('inventory')],
  ]
}

/** What a query of the views answers. */
function views({ page }: Snapshot): Line[] {
  if (page === undefined) return []
  const [newest] = page.orders
  const revenue = page.revenue.map(({ country, thousandths }) => `${country} £${formatPounds(thousandths)}`)
  const orders = page.orders.map(
    ({ invoice, total, receiptSent }) => ` ${invoice} £${formatPounds(total)}${receiptSent ? ' ✓' : ''}`,
  )
  return [
    [],
    [{ text: ' revenue      ', style: 'dim' }, revenue.join('   ')],
    [{ text: ` ${newest?.customer ?? 'counter'}`.padEnd(13), style: 'dim' }, ...orders],
  ]
}

function table(services: readonly ServiceLine[]): Line[] {
  const head = [' service      ', '    up', '  handled', '     /s', '     lag', '  failing', '  restarts']
  return [[{ text: head.join(''), style: 'dim' }], ...services.map(row)]
}

function row({ name, running, wanted, handled, perSecond, lag, retrying, parked, restarts, done }: ServiceLine): Line {
  const failing = parked > 0 ? 'red' : retrying > 0 ? 'yellow' : 'dim'
  return [
    { text: ` ${name.padEnd(13)}`, style: 'bold' },
    { text: `${running}/${wanted}`.padStart(6), style: running < wanted ? 'yellow' : 'green' },
    count(handled).padStart(9),
    count(perSecond).padStart(7),
    (lag === undefined ? '-' : count(lag)).padStart(8),
    { text: count(retrying + parked).padStart(9), style: failing },
    { text: count(restarts).padStart(10), style: restarts > 0 ? 'yellow' : 'dim' },
    '  ',
    ...bar(done, 12),
  ]
}

function sum(events: ReadonlyMap<string, number>): number {
  return [...events.values()].reduce((total, each) => total + each, 0)
}

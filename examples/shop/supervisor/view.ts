import type { ServiceLine, Snapshot } from './monitor.ts'
import { bar, type Canvas, clock, count, type Line, type Piece, paint } from './paint.ts'

/** The whole picture, as lines no wider than the canvas. */
export function view(snapshot: Snapshot, title: string, canvas: Canvas): string[] {
  const lines: Line[] = [
    [],
    [' ', { text: 'The shop', style: 'bold' }, `  ${title}  `, { text: clock(snapshot.seconds), style: 'dim' }],
    headline(snapshot),
    [],
    ...flow(snapshot),
    [],
    ...table(snapshot.services),
    [],
    [{ text: ' Ctrl-C stops everything', style: 'dim' }],
  ]
  return lines.map((line) => paint(line, canvas))
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
  const type = (name: string): Line => [{ text: name, style: 'cyan' }, ` ${count(events.get(name) ?? 0).padStart(6)} `]
  const service = (name: string): Piece => ({ text: name, style: 'bold' })
  return [
    [
      ' ',
      service('order'),
      ' ┬ ',
      ...type('order.created'),
      '  ┬─→ ',
      service('inventory'),
      ' ─→ ',
      ...type('stock.reserved'),
    ],
    [
      '       │',
      ' '.repeat(24),
      '├─→ ',
      service('email'),
      ' ─→ ',
      ...type('receipt.sent'),
      '─→ ',
      service('notification'),
    ],
    ['       │', ' '.repeat(24), '└─→ ', service('analytics')],
    ['       ├ ', ...type('order.returned'), ' ──→ ', service('inventory')],
    ['       └ ', ...type('stock.adjusted'), ' ──→ ', service('inventory')],
  ]
}

function table(services: readonly ServiceLine[]): Line[] {
  const head = row(['service', 'up', 'handled', '/s', 'lag', 'retrying', 'parked', 'restarts'])
  return [
    [{ text: head.join(''), style: 'dim' }],
    ...services.map((service): Line => {
      const { name, running, wanted, handled, perSecond, lag, retrying, parked, restarts } = service
      const [label = '', up = '', work = '', ...failures] = row([
        name,
        `${running}/${wanted}`,
        count(handled),
        count(perSecond),
        lag === undefined ? '-' : count(lag),
        count(retrying),
        count(parked),
        count(restarts),
      ])
      const [rate = '', behind = '', retries = '', letters = '', deaths = ''] = failures
      return [
        { text: label, style: 'bold' },
        { text: up, style: running < wanted ? 'yellow' : 'green' },
        work,
        rate,
        behind,
        { text: retries, style: retrying > 0 ? 'yellow' : 'dim' },
        { text: letters, style: parked > 0 ? 'red' : 'dim' },
        { text: deaths, style: restarts > 0 ? 'yellow' : 'dim' },
      ]
    }),
  ]
}

const WIDTHS = [7, 10, 8, 9, 10, 8, 10]

function row([name = '', ...cells]: readonly string[]): string[] {
  return [` ${name.padEnd(13)}`, ...cells.map((cell, index) => cell.padStart(WIDTHS[index] ?? 0))]
}

function sum(events: ReadonlyMap<string, number>): number {
  return [...events.values()].reduce((total, each) => total + each, 0)
}

import type { Aim } from './engine.ts'
import type { Report, Row } from './measure.ts'

/** An aim and how far it was reached. */
export interface Reached extends Aim {
  readonly reached: number
  readonly met: boolean
}

/** Leaves out those whose rows were not measured. */
export function reachedAims({ rows }: Report, aims: readonly Aim[]): readonly Reached[] {
  return aims.flatMap((aim) => {
    const { who, of, to, least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } = aim
    const row = rows.find((each) => each.who === who)
    const value = of === 'p99' ? row?.p99 : row?.value
    const other = to === undefined ? 1 : rows.find((each) => each.who === to)?.value
    if (!value || !other) return []
    const reached = value / other
    return [{ ...aim, reached, met: reached >= least && reached <= most }]
  })
}

/** The aims as a person reads them. */
export function aimLines(aims: readonly Reached[], unit: string): string {
  return aims
    .map(({ who, of, to, least, most, reached, met }) => {
      const what = `${who}${of === undefined ? '' : ` ${of}`}${to === undefined ? '' : ` to ${to}`}`
      const bound = least === undefined ? `at most ${most}` : `at least ${least.toLocaleString('en')}`
      const measure = to === undefined ? ` ${unit.split(' ', 1).join()}` : ''
      return `${met ? 'met   ' : 'missed'}  ${what}: ${digits(reached)}${measure}, the aim is ${bound}`
    })
    .join('\n')
}

interface Column {
  readonly title: string
  readonly right?: boolean
  text(row: Row): string
}

/** The rows as a person reads them. */
export function table({ unit, rows }: Report): string {
  const ratio = (row: Row) => ratioOf(row, rows)?.toFixed(2) ?? ''
  const columns: readonly Column[] = [
    { title: 'who', text: ({ who }) => who },
    { title: unit, right: true, text: ({ value }) => (value === null ? '–' : digits(value)) },
    { title: 'p99', right: true, text: ({ p99 }) => (p99 === undefined ? '' : digits(p99)) },
    { title: 'to raw', right: true, text: ratio },
    { title: 'durability', text: ({ durability = '' }) => durability },
    { title: 'note', text: ({ note = '' }) => note },
  ]
  const used = columns.filter(({ text }) => rows.some((row) => text(row) !== ''))
  const widths = used.map(({ title, text }) => Math.max(title.length, ...rows.map((row) => text(row).length)))
  const line = (textOf: (column: Column, width: number) => string) =>
    used
      .map((column, index) => {
        const width = widths[index] ?? 0
        const text = textOf(column, width)
        return column.right ? text.padStart(width) : text.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  const lines = rows.map((row) => line(({ text }) => text(row)))
  return [line(({ title }) => title), line((_, width) => '─'.repeat(width)), ...lines].join('\n')
}

/** Of the row that this one is compared with. */
function ratioOf(row: Row, rows: readonly Row[]): number | undefined {
  const against = rows.find(({ who }) => who === (row.against ?? 'raw'))?.value
  if (row.value === null || against === null || against === undefined || against === 0) return undefined
  return row.value / against
}

function digits(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return value.toPrecision(3)
}

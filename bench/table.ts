import type { Report, Row } from './measure.ts'

/** The rows as a person reads them. */
export function table({ unit, rows }: Report): string {
  const percentiles = rows.some((row) => row.p99 !== undefined)
  const head = ['who', unit, ...(percentiles ? ['p99'] : []), 'to raw', 'durability', 'note']
  const lines = rows.map((row) => {
    const ratio = ratioOf(row, rows)
    return [
      row.who,
      row.value === null ? '–' : digits(row.value),
      ...(percentiles ? [row.p99 === undefined ? '' : digits(row.p99)] : []),
      ratio === undefined ? '' : ratio.toFixed(2),
      row.durability ?? '',
      row.note ?? '',
    ]
  })
  const widths = head.map((title, column) =>
    Math.max(...[title, ...lines.map((line) => line[column] ?? '')].map((text) => text.length)),
  )
  const right = new Set(percentiles ? [1, 2, 3] : [1, 2])
  const render = (line: readonly string[]) =>
    line
      .map((text, column) =>
        right.has(column) ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd()
  return [head, widths.map((width) => '─'.repeat(width)), ...lines].map(render).join('\n')
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

import type { Style, Terminal } from './terminal.ts'

/** Text with its control characters spelt out: what was recorded must not steer the screen of who looks at it. */
export function printable(text: string, keep = ''): string {
  return text.replace(/\p{Cc}/gu, (character) =>
    keep.includes(character) ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** `2024-01-15 10:30:00.000`, in the zone of whoever reads it. */
export function localTime(iso: string): string {
  const date = new Date(iso)
  if (Number.isNaN(date.getTime())) return printable(iso)
  const pad = (value: number, length = 2) => String(value).padStart(length, '0')
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`
  return `${day} ${time}.${pad(date.getMilliseconds(), 3)}`
}

/** `+12 ms`, `+1.25 s`, `+3 min 5 s`. */
export function elapsed(ms: number): string {
  const sign = ms < 0 ? '-' : '+'
  const size = Math.abs(ms)
  if (size < 1_000) return `${sign}${size} ms`
  if (size < 60_000) return `${sign}${(size / 1_000).toFixed(2)} s`
  const seconds = Math.round(size / 1_000)
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60]
  return hours > 0 ? `${sign}${hours} h ${minutes} min` : `${sign}${minutes} min ${seconds % 60} s`
}

export function count(number: number, one: string): string {
  return `${number} ${one}${number === 1 ? '' : 's'}`
}

export interface Cell {
  readonly text: string
  readonly style?: Style
  /** Numbers stand on the right. */
  readonly right?: boolean
}

/** Rows in columns that grow with what has been shown so far, so that a table can be endless. */
export class Table {
  readonly #terminal: Terminal
  readonly #widths: number[]

  constructor(terminal: Terminal, widths: readonly number[] = []) {
    this.#terminal = terminal
    this.#widths = [...widths]
  }

  /** Makes room for these rows before they are shown. */
  fit(rows: readonly (readonly Cell[])[]): this {
    for (const row of rows) {
      for (const [index, { text }] of row.entries()) {
        this.#widths[index] = Math.max(this.#widths[index] ?? 0, printable(text).length)
      }
    }
    return this
  }

  /** One line. On a screen the last cell is cut at its edge. */
  row(cells: readonly Cell[]): string {
    this.fit([cells.slice(0, -1)])
    let used = 0
    const shown = cells.map(({ text, style, right = false }, index) => {
      const last = index === cells.length - 1
      const width = last && !right ? 0 : (this.#widths[index] ?? 0)
      const plain = last ? this.#cut(printable(text), used) : printable(text)
      const padding = ' '.repeat(Math.max(0, width - plain.length))
      used += Math.max(width, plain.length) + 2
      const styled = style === undefined ? plain : this.#terminal.style(style, plain)
      return right ? padding + styled : styled + padding
    })
    return `${shown.join('  ').trimEnd()}\n`
  }

  #cut(text: string, used: number): string {
    const room = this.#terminal.width === undefined ? text.length : Math.max(8, this.#terminal.width - used)
    return text.length > room ? `${text.slice(0, room - 1)}…` : text
  }
}

export function table(terminal: Terminal, header: readonly Cell[], rows: readonly (readonly Cell[])[]): string {
  const columns = new Table(terminal).fit([header, ...rows])
  const head = header.map((cell) => ({ ...cell, style: 'dim' as const }))
  return [head, ...rows].map((row) => columns.row(row)).join('')
}

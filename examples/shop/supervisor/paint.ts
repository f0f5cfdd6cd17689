import { styleText } from 'node:util'

type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan'

/** A piece of a line. Its width is its length: only characters that take one cell are used. */
export interface Piece {
  readonly text: string
  readonly style?: Style | undefined
}
export type Line = readonly (Piece | string)[]

export interface Canvas {
  readonly columns: number
  readonly rows: number
  readonly color: boolean
}

/** Styled text that is no wider than the canvas. */
export function paint(line: Line, { columns, color }: Canvas): string {
  let room = columns
  let painted = ''
  for (const piece of line) {
    const { text, style } = typeof piece === 'string' ? { text: piece, style: undefined } : piece
    const shown = text.slice(0, room)
    room -= shown.length
    painted += color && style !== undefined ? styleText(style, shown, { validateStream: false }) : shown
  }
  return painted
}

export function bar(share: number, width: number): readonly Piece[] {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width)
  return [
    { text: '━'.repeat(full), style: 'green' },
    { text: '─'.repeat(width - full), style: 'dim' },
  ]
}

const whole = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 })

export function count(number: number): string {
  return whole.format(number)
}

export function clock(seconds: number): string {
  const minutes = Math.floor(seconds / 60)
  return `${minutes}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`
}

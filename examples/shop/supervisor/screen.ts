import type { WriteStream } from 'node:tty'
import type { Canvas } from './paint.ts'

const HIDE_CURSOR = '\u001B[?25l'
const SHOW_CURSOR = '\u001B[?25h'
const CLEAR_TO_END_OF_LINE = '\u001B[K'
const CLEAR_BELOW = '\u001B[J'
// A terminal that knows these shows a frame only when it is whole; the others ignore them.
const BEGIN_FRAME = '\u001B[?2026h'
const END_FRAME = '\u001B[?2026l'

/** A picture at the foot of the terminal that is drawn over itself; what is printed scrolls by above it. */
export class Screen {
  readonly #out: WriteStream
  #height = 0
  #frame: readonly string[] = []
  readonly #forget = () => {
    this.#height = 0 // after a resize nobody knows where the old frame ended
  }

  constructor(out: WriteStream) {
    this.#out = out
    this.#out.write(HIDE_CURSOR)
    this.#out.on('resize', this.#forget)
  }

  /** One column stays free, where some terminals would wrap, and one row, for the cursor. */
  get canvas(): Canvas {
    const { columns, rows } = this.#out
    return { columns: Math.max(1, columns - 1), rows: Math.max(1, rows - 1), color: this.#out.hasColors() }
  }

  draw(lines: readonly string[]): void {
    this.#frame = lines.slice(0, this.canvas.rows)
    this.#out.write(BEGIN_FRAME + this.#home() + this.#framed() + END_FRAME)
  }

  /** Lets `write` put whole lines above the picture. */
  above(write: () => void): void {
    this.#out.write(this.#home() + CLEAR_BELOW)
    write()
    this.#out.write(this.#framed())
  }

  /** Leaves the last picture where it is. */
  close(): void {
    this.#out.off('resize', this.#forget)
    this.#out.write(SHOW_CURSOR)
  }

  #home(): string {
    return this.#height > 0 ? `\u001B[${this.#height}F` : ''
  }

  #framed(): string {
    this.#height = this.#frame.length
    return this.#frame.map((line) => `${line}${CLEAR_TO_END_OF_LINE}\n`).join('') + CLEAR_BELOW
  }
}

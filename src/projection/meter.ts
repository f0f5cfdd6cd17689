import type { Clock } from '../store/port.ts'
import type { Builder } from './builder.ts'

/** How far a rebuild is. */
export interface RebuildProgress {
  readonly position: number
  readonly head: number
  /** Events of this run. */
  readonly events: number
  /** Events a second. */
  readonly rate: number
  /** Ms until the end of the log as it is now; undefined while nothing can be said. */
  readonly remaining: number | undefined
}

/** Tells how far a builder is, and how long it will take at the pace it has. */
export class Meter {
  readonly #clock: Clock
  readonly #builder: Builder
  readonly #tell: ((progress: RebuildProgress) => void) | undefined
  readonly #begun: number
  readonly #from: number

  constructor(clock: Clock, builder: Builder, tell: ((progress: RebuildProgress) => void) | undefined) {
    this.#clock = clock
    this.#builder = builder
    this.#tell = tell
    this.#begun = clock.monotonic()
    this.#from = builder.position
  }

  tell(head: number): void {
    const { position, events } = this.#builder
    const ms = Math.max(1, this.#clock.monotonic() - this.#begun)
    const done = position - this.#from
    this.#tell?.({
      ...{ position, head, events, rate: Math.round((events * 1_000) / ms) },
      remaining: done > 0 ? Math.round(((head - position) * ms) / done) : undefined,
    })
  }
}

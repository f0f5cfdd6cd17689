import type { Clock } from '../../store/port.ts'
import type { Held } from './held.ts'

const TICK = 'select head, tick, mark from hodisa.tick($1::boolean)'
/** Ms from the start of one tick to the next that nobody waits for, at least and at most: what comes meanwhile shares it. */
const [SHORTEST_PAUSE, LONGEST_PAUSE] = [4, 20]
/** A pause is so many times as long as the last tick took: a server that has much to do is not busy with ticks. */
const TIMES_A_TICK = 8
/** Pauses of a search for events of somebody else's transaction, which may commit at any moment, in ms. */
const SEARCH = [1, 2, 4, 8, 16, 32, 64, 125, 250, 500, 1_000, 2_000]

/** The newest tick as of a moment: the last position given, and what tells it from any other that was or will be. */
export interface Tick {
  readonly head: number
  readonly id: number
  readonly mark: string
}

/** Runs the ticks of this process: one at a time, shared by all who ask. */
export class Sequencer {
  readonly #held: Held
  readonly #clock: Clock
  readonly #durable: boolean
  readonly #ticked: (tick: Tick) => void
  readonly #failed: (error: unknown) => void
  #running: Promise<number> | undefined
  #next: Promise<number> | undefined
  #startedAt = Number.NEGATIVE_INFINITY
  #pause = SHORTEST_PAUSE
  #soon = false
  #cancelSoon: (() => void) | undefined
  #cancelSearch: (() => void) | undefined

  constructor(
    held: Held,
    {
      clock,
      durable,
      ticked,
      failed,
    }: {
      clock: Clock
      durable: boolean
      ticked: (tick: Tick) => void
      failed: (error: unknown) => void
    },
  ) {
    this.#held = held
    this.#clock = clock
    this.#durable = durable
    this.#ticked = ticked
    this.#failed = failed
  }

  /** The head of the log after everything that is committed now has its place. */
  fresh(): Promise<number> {
    if (this.#running === undefined) return this.#tick()
    // The one that runs may have looked already.
    this.#next ??= this.#running.then(
      () => this.#tick(),
      () => this.#tick(),
    )
    return this.#next
  }

  /** Whether a tick has begun within the last `ms`. */
  tickedWithin(ms: number): boolean {
    return performance.now() - this.#startedAt < ms
  }

  /** Something was committed: it gets its place in a moment. */
  soon(): void {
    if (this.#soon || this.#next !== undefined) return
    this.#soon = true
    if (this.#running === undefined) this.#startSoon()
  }

  #startSoon(): void {
    const wait = Math.ceil(this.#startedAt + this.#pause - performance.now())
    const start = () => {
      if (this.#soon) this.fresh().catch(this.#failed)
    }
    if (wait > 0) this.#cancelSoon = this.#clock.after(wait, start)
    else start()
  }

  /** Something may be committed soon, by somebody who will not say so. */
  search(step = 0): void {
    this.#cancelSearch?.()
    const pause = SEARCH[step]
    if (pause === undefined) return
    this.#cancelSearch = this.#clock.after(
      pause,
      () => {
        this.soon()
        this.search(step + 1)
      },
      true,
    )
  }

  stop(): void {
    this.#cancelSoon?.()
    this.#cancelSearch?.()
  }

  /** Resolves when no tick is under way. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#running, this.#next])
  }

  #tick(): Promise<number> {
    this.#next = undefined
    this.#soon = false
    this.#startedAt = performance.now()
    const run = this.#held
      .query<[number, number, string]>(TICK, [this.#durable])
      .finally(() => {
        this.#running = undefined
        const took = performance.now() - this.#startedAt
        this.#pause = Math.min(LONGEST_PAUSE, Math.max(SHORTEST_PAUSE, took * TIMES_A_TICK))
        if (this.#soon && this.#next === undefined) this.#startSoon()
      })
      .then(([row]) => {
        const [head = 0, id = 0, mark = ''] = row ?? []
        this.#ticked({ head, id, mark })
        return head
      })
    this.#running = run
    return run
  }
}

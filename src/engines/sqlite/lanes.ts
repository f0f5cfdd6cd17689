/** What goes first: 0 signs of life, 1 appends, 2 progress and commits, 3 the rest. */
export type Lane = 0 | 1 | 2 | 3

/** An operation that waits for its transaction. */
export interface Pending {
  readonly lane: Lane
  readonly bytes: number
  /** Whether `run` is asynchronous. */
  readonly slow: boolean
  /** Monotonic ms. */
  readonly since: number
  /** It has to have its transaction for itself. */
  alone: boolean
  readonly run: (effects: { head: number; groups: number }) => unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

export interface Batch {
  readonly quick: readonly Pending[]
  /**
   * To be run after the quick ones, so that no work has run yet when a quick one spoils the transaction. Appends that came
   * behind a slow one are among them: appends keep their order.
   */
  readonly slow: readonly Pending[]
}

export const APPENDS: Lane = 1
const MOST_OPERATIONS = 1024
const MOST_BYTES = 16 * 1024 * 1024
/** Of every lane, however much waits in the lanes before it. */
const ALWAYS = 64

/** What waits for the writer, by urgency. */
export class Lanes {
  readonly #lanes: [Pending[], Pending[], Pending[], Pending[]] = [[], [], [], []]
  #size = 0

  get size(): number {
    return this.#size
  }

  add(pending: Pending): void {
    this.#lanes[pending.lane].push(pending)
    this.#size += 1
  }

  /** Operations that did not run, in their order: they are next in their lanes. */
  putBack(operations: readonly Pending[]): void {
    for (let index = operations.length - 1; index >= 0; index--) {
      const pending = operations[index]
      if (pending !== undefined) this.#lanes[pending.lane].unshift(pending)
    }
    this.#size += operations.length
  }

  /**
   * What the next transaction holds.
   * @param appendsLast where appends alone filled the time of the last one, so that leases are still written
   */
  take(appendsLast: boolean): Batch {
    const [life, appends, progress, rest] = this.#lanes
    const quick: Pending[] = []
    const slow: Pending[] = []
    let bytes = 0
    for (const lane of appendsLast ? [life, progress, rest, appends] : this.#lanes) {
      let count = 0
      let behind = false
      for (const pending of lane) {
        const taken = quick.length + slow.length
        if (pending.alone && taken > 0) break
        if ((taken >= MOST_OPERATIONS || bytes >= MOST_BYTES) && count >= ALWAYS) break
        behind ||= pending.slow && pending.lane === APPENDS
        ;(pending.slow || behind ? slow : quick).push(pending)
        bytes += pending.bytes
        count += 1
        if (pending.alone) break
      }
      lane.splice(0, count)
      this.#size -= count
      if (quick[0]?.alone) break
    }
    return { quick, slow }
  }

  clear(): Pending[] {
    return this.removeIf(() => true)
  }

  removeIf(condition: (pending: Pending) => boolean): Pending[] {
    const removed: Pending[] = []
    for (const lane of this.#lanes) {
      const kept: Pending[] = []
      for (const pending of lane) (condition(pending) ? removed : kept).push(pending)
      lane.splice(0, lane.length, ...kept)
    }
    this.#size -= removed.length
    return removed
  }
}

import type { Standing } from './bound.ts'

/** The states used last, by stream: at most so many. */
export class RecentStates {
  readonly #most: number
  readonly #states = new Map<string, Standing>()

  constructor(most: number) {
    this.#most = most
  }

  /** Undefined also where the store has lost events since it was read. */
  get(stream: string, timeline: number): Standing | undefined {
    const standing = this.#states.get(stream)
    if (standing?.timeline !== timeline) return undefined
    this.#states.delete(stream)
    this.#states.set(stream, standing)
    return standing
  }

  /** Keeps what is newer. */
  put(stream: string, standing: Standing): void {
    if (this.#most === 0) return
    const before = this.#states.get(stream)
    if (before !== undefined && isNewer(before, standing)) return
    this.#states.delete(stream)
    this.#states.set(stream, standing)
    if (this.#states.size <= this.#most) return
    for (const oldest of this.#states.keys()) {
      this.#states.delete(oldest)
      return
    }
  }

  forget(stream: string): void {
    this.#states.delete(stream)
  }
}

function isNewer(one: Standing, other: Standing): boolean {
  return one.timeline === other.timeline ? one.revision > other.revision : one.timeline > other.timeline
}

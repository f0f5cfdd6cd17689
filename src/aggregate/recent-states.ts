import type { Standing } from './bound.ts'

/** The states used last, by stream: at most so many. */
export class RecentStates {
  readonly #most: number
  readonly #states = new Map<string, Standing>()

  constructor(most: number) {
    this.#most = most
  }

  get(stream: string): Standing | undefined {
    const standing = this.#states.get(stream)
    if (standing === undefined) return undefined
    this.#states.delete(stream)
    this.#states.set(stream, standing)
    return standing
  }

  /** Keeps what is newer. */
  put(stream: string, standing: Standing): void {
    if (this.#most === 0) return
    const before = this.#states.get(stream)
    if (before !== undefined && before.revision > standing.revision) return
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

import { isHodisaError } from '../../errors.ts'
import type { DocumentWrite } from '../../store/documents.ts'

const MOST_WRITES = 2_000
const MOST_UNITS = 4 * 1024 * 1024

interface Pending {
  readonly writes: readonly DocumentWrite[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Commits writes in the order they are handed in, one transaction after the other; what waits meanwhile shares the next one. */
export class DocumentBatches {
  readonly #commit: (writes: readonly DocumentWrite[]) => Promise<void>
  #waiting: Pending[] = []
  #running = false

  constructor(commit: (writes: readonly DocumentWrite[]) => Promise<void>) {
    this.#commit = commit
  }

  write(writes: readonly DocumentWrite[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ writes, resolve, reject })
      if (!this.#running) void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#waiting.length > 0) await this.#commitAll(this.#take())
    this.#running = false
  }

  #take(): readonly Pending[] {
    let count = 0
    let units = 0
    let taken = 0
    for (const { writes } of this.#waiting) {
      count += writes.length
      for (const { data } of writes) units += data?.length ?? 0
      if (taken > 0 && (count > MOST_WRITES || units > MOST_UNITS)) break
      taken += 1
    }
    return this.#waiting.splice(0, taken)
  }

  async #commitAll(batch: readonly Pending[]): Promise<void> {
    try {
      await this.#commit(batch.flatMap(({ writes }) => writes))
      for (const { resolve } of batch) resolve()
    } catch (error) {
      // Whoever is at fault fails alone; but for a server that is gone nobody waits again and again.
      if (batch.length === 1 || isHodisaError(error, 'store-unavailable')) for (const { reject } of batch) reject(error)
      else for (const pending of batch) await this.#commitAll([pending])
    }
  }
}

import type { StoredEvent } from '../store/events.ts'

/**
 * `queued` and `running` hold the low-water mark back. `finished` is done; `passed` is somebody else's from here on: a cursor has
 * it, or the bucket was lost.
 */
export type EntryStatus = 'queued' | 'running' | 'finished' | 'passed'

/** One event on its way through an instance. */
export interface Entry {
  readonly stored: StoredEvent
  readonly key: string
  /** Epoch of the bucket's lease when it was read. */
  readonly epoch: number
  status: EntryStatus
}

/** The events between the low-water mark and where the reader is. */
export class Window {
  /**
   * In log order. A place that was passed is emptied at once: an old array that still points at what was finished keeps all of
   * it in memory until the next full collection.
   */
  #entries: (Entry | undefined)[] = []
  #first = 0
  /** What ran when reading went back to a lower place; in any order. */
  #carried: Entry[] = []

  get size(): number {
    return this.#entries.length - this.#first + this.#carried.length
  }

  push(entry: Entry): void {
    this.#entries.push(entry)
  }

  /** Forgets all but what runs, which holds the low-water mark on; returns it. */
  restart(): readonly Entry[] {
    this.#carried = [...this].filter(({ status }) => status === 'running')
    this.#entries = []
    this.#first = 0
    return this.#carried
  }

  /** Everything at or below is finished, given how far the reader is. */
  lowWater(scanned: number): number {
    while (this.#first < this.#entries.length && !isOpen(this.#entries[this.#first])) {
      this.#entries[this.#first++] = undefined
    }
    if (this.#first > 1024 && this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first)
      this.#first = 0
    }
    const lowest = this.#entries[this.#first]
    let mark = lowest === undefined ? scanned : Math.min(scanned, lowest.stored.position - 1)
    if (this.#carried.length === 0) return mark
    this.#carried = this.#carried.filter(isOpen)
    for (const { stored } of this.#carried) mark = Math.min(mark, stored.position - 1)
    return mark
  }

  *[Symbol.iterator](): Iterator<Entry> {
    yield* this.#carried
    for (let index = this.#first; index < this.#entries.length; index++) {
      const entry = this.#entries[index]
      if (entry !== undefined) yield entry
    }
  }
}

export function isOpen(entry: Entry | undefined): boolean {
  return entry?.status === 'queued' || entry?.status === 'running'
}

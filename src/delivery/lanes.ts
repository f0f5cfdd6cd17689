import type { FailingKey } from './failing-key.ts'
import type { Entry } from './window.ts'

/** The events of one key that wait here. One at a time is handled. */
export interface Lane {
  readonly key: string
  readonly queue: Entry[]
  /** Something of this key is being done. */
  busy: boolean
  ready: boolean
  /** Set while a cursor drains the key. */
  failing: FailingKey | undefined
}

/** All lanes of an instance, and which of them may go on, first come first served. */
export class Lanes {
  readonly #lanes = new Map<string, Lane>()
  #ready: (Lane | undefined)[] = []
  #next = 0

  get(key: string): Lane {
    let lane = this.#lanes.get(key)
    if (lane === undefined) {
      lane = { key, queue: [], busy: false, ready: false, failing: undefined }
      this.#lanes.set(key, lane)
    }
    return lane
  }

  add(entry: Entry): void {
    const lane = this.get(entry.key)
    lane.queue.push(entry)
    this.offer(lane)
  }

  /** Marks a lane as having something to do. */
  offer(lane: Lane): void {
    if (lane.busy || lane.ready) return
    lane.ready = true
    this.#ready.push(lane)
  }

  /** The next lane that has something to do; it counts as busy from now on. */
  take(): Lane | undefined {
    const lane = this.#ready[this.#next]
    if (lane === undefined) {
      this.#ready = []
      this.#next = 0
      return undefined
    }
    this.#ready[this.#next++] = undefined
    if (this.#next === 1024) {
      this.#ready = this.#ready.slice(1024)
      this.#next = 0
    }
    lane.ready = false
    lane.busy = true
    return lane
  }

  /** What was being done is over. */
  free(lane: Lane): void {
    lane.busy = false
    if (lane.queue.length > 0) this.offer(lane)
    else this.tidy(lane)
  }

  /** Forgets a lane in which nothing is left. */
  tidy(lane: Lane): void {
    const { queue, busy, ready, failing, key } = lane
    if (queue.length === 0 && !busy && !ready && failing === undefined) this.#lanes.delete(key)
  }

  /** Lanes that hold more, and that no cursor drains yet. */
  longerThan(length: number): Lane[] {
    return [...this.#lanes.values()].filter(({ queue, failing }) => queue.length > length && failing === undefined)
  }

  /** Forgets what waits, by choice: nothing of it is begun any more. */
  dropQueued(chosen: (entry: Entry) => boolean): Entry[] {
    const dropped: Entry[] = []
    for (const lane of this.#lanes.values()) {
      if (lane.queue.length === 0) continue
      const kept = lane.queue.filter((entry) => !chosen(entry))
      if (kept.length === lane.queue.length) continue
      dropped.push(...lane.queue.filter(chosen))
      lane.queue.splice(0, lane.queue.length, ...kept)
    }
    return dropped
  }
}

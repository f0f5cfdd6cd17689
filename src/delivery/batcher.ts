import type { Clock } from '../store/port.ts'
import type { Lane } from './lanes.ts'
import type { BatchRoute } from './routes.ts'
import type { Entry } from './window.ts'

export interface BatchMember {
  readonly lane: Lane
  readonly entry: Entry
}

interface Gathering {
  readonly members: BatchMember[]
  cancel: () => void
  due: boolean
}

/** Gathers events for batch handlers until there are enough, or the oldest has waited long enough. Their lanes are taken meanwhile. */
export class Batcher {
  readonly #clock: Clock
  readonly #ready: () => void
  readonly #gathering = new Map<BatchRoute, Gathering>()

  constructor(clock: Clock, ready: () => void) {
    this.#clock = clock
    this.#ready = ready
  }

  /** Takes the next events of a lane, as long as they go to the same handler and there is room. */
  add(route: BatchRoute, lane: Lane, same: (entry: Entry) => boolean): void {
    let gathering = this.#gathering.get(route)
    if (gathering === undefined) {
      const created: Gathering = { members: [], due: false, cancel: () => undefined }
      created.cancel = this.#clock.after(route.wait, () => {
        created.due = true
        this.#ready()
      })
      gathering = created
      this.#gathering.set(route, gathering)
    }
    while (gathering.members.length < route.size) {
      const [entry] = lane.queue
      if (entry === undefined || !same(entry)) break
      lane.queue.shift()
      entry.status = 'running'
      gathering.members.push({ lane, entry })
    }
    if (gathering.members.length === 0) lane.busy = false
  }

  /** A batch that is full or has waited long enough. */
  take(): { readonly route: BatchRoute; readonly members: readonly BatchMember[] } | undefined {
    for (const [route, { members, due, cancel }] of this.#gathering) {
      if (!due && members.length < route.size) continue
      cancel()
      this.#gathering.delete(route)
      return { route, members }
    }
    return undefined
  }

  /** Forgets what has not been begun; lanes that have nothing left in a batch are handed to `free`. */
  drop(chosen: (entry: Entry) => boolean, free: (lane: Lane) => void): Entry[] {
    const dropped: Entry[] = []
    for (const [route, gathering] of this.#gathering) {
      const kept = gathering.members.filter(({ entry }) => !chosen(entry))
      if (kept.length === gathering.members.length) continue
      const lanes = new Set(gathering.members.filter(({ entry }) => chosen(entry)).map(({ lane }) => lane))
      for (const { entry } of gathering.members) {
        if (!chosen(entry)) continue
        entry.status = 'queued' // it never began
        dropped.push(entry)
      }
      gathering.members.splice(0, gathering.members.length, ...kept)
      for (const lane of lanes) if (!kept.some((member) => member.lane === lane)) free(lane)
      if (kept.length > 0) continue
      gathering.cancel()
      this.#gathering.delete(route)
    }
    return dropped
  }
}

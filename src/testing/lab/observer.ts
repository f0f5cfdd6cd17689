import type { Store } from '../../store/port.ts'
import { machineTime } from './faults.ts'
import type { Takeover } from './history.ts'

const LOOK_EVERY = 150

interface Watched {
  readonly process: string
  readonly service: string
  readonly cause: Takeover['cause']
  readonly since: number
  /** Ids that the process had among the instances when it was hit; all it ever had, once it is dead. */
  readonly instances: Set<string>
  /** What was seen to be its own since. */
  readonly buckets: Set<number>
  readonly takenOver: Set<number>
}

/** Looks at the groups of the store again and again, and measures how long the share of a victim stays with it. */
export class Observer {
  readonly takeovers: Takeover[] = []
  readonly #store: Store
  readonly #names = new Map<string, string>()
  readonly #living = new Map<string, Set<string>>()
  #watched: Watched[] = []
  /** When nobody could write, so that nobody could take over. */
  readonly #holds: { readonly from: number; readonly to: number }[] = []
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(store: Store) {
    this.#store = store
  }

  start(): void {
    const look = () => {
      this.#looking = this.#look()
        .catch(() => undefined) // the store is out of reach for a moment
        .then(() => {
          if (!this.#stopped) this.#timer = setTimeout(look, LOOK_EVERY)
        })
    }
    look()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#looking
    for (const watched of this.#watched) if (watched.buckets.size > 0) this.#report(watched, undefined)
    this.#watched = []
  }

  /** Takeovers that are not over yet. */
  get pending(): number {
    return this.#watched.filter(({ buckets }) => buckets.size > 0).length
  }

  /** The store was held by somebody else. */
  held(from: number, to: number): void {
    this.#holds.push({ from, to })
  }

  /** A process was hit. */
  async victim(process: string, cause: Takeover['cause'], since = machineTime()): Promise<void> {
    for (const service of await this.#store.groups.list()) {
      const instances = new Set(this.#living.get(process))
      this.#watched.push({ process, service, cause, since, instances, buckets: new Set(), takenOver: new Set() })
    }
  }

  /** A frozen process goes on: what nobody has taken over by now it may keep. */
  resumed(process: string): void {
    const late = (since: number) => machineTime() - since >= 10_000
    this.#watched = this.#watched.filter((one) => one.process !== process || one.cause === 'kill' || late(one.since))
  }

  async #look(): Promise<void> {
    const present = await this.#store.presence.list()
    this.#living.clear()
    for (const { id, source } of present) {
      this.#names.set(id, source)
      this.#living.set(source, (this.#living.get(source) ?? new Set()).add(id))
    }
    for (const service of await this.#store.groups.list()) {
      const { leases } = await this.#store.groups.read(service)
      const now = machineTime()
      for (const watched of this.#watched) if (watched.service === service) this.#compare(watched, leases, now)
    }
    this.#watched = this.#watched.filter((one) => !isOver(one))
  }

  #compare(watched: Watched, leases: readonly { bucket: number; owner: string | null }[], now: number): void {
    const { process, cause, instances, buckets, takenOver } = watched
    if (cause === 'kill') for (const id of this.#living.get(process) ?? []) instances.add(id)
    for (const { bucket, owner } of leases) {
      if (owner !== null && instances.has(owner)) {
        buckets.add(bucket)
        takenOver.delete(bucket)
      } else if (owner !== null && buckets.has(bucket)) takenOver.add(bucket)
    }
    if (isOver(watched)) this.#report(watched, (now - watched.since - this.#heldBetween(watched.since, now)) / 1_000)
  }

  #heldBetween(from: number, to: number): number {
    return this.#holds.reduce((sum, hold) => sum + Math.max(0, Math.min(to, hold.to) - Math.max(from, hold.from)), 0)
  }

  #report({ process, service, cause }: Watched, seconds: number | undefined): void {
    this.takeovers.push({ process, service, cause, seconds })
  }
}

function isOver({ buckets, takenOver }: Watched): boolean {
  return buckets.size > 0 && takenOver.size === buckets.size
}

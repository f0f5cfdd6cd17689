import { setTimeout as delay } from 'node:timers/promises'
import type { Store } from '../../store/port.ts'
import { LONGEST_TAKEOVER } from './check.ts'
import { machineTime } from './faults.ts'
import type { Takeover } from './history.ts'
import { Silences } from './silences.ts'

const LOOK_EVERY = 150
/** A write that takes longer, in ms, was kept waiting: nobody could take anything over meanwhile. */
const ANSWERS_WITHIN = 250
/** A timer that comes so late, in ms, had to wait for the machine, and so did everybody else. */
const LATE = 200

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
  /** By bucket: who had it, and from when on. */
  readonly owners: Map<number, { readonly name: string; readonly from: number }[]>
}

/** Looks at the groups of the store again and again, and measures how long the share of a victim stays with it. */
export class Observer {
  readonly takeovers: Takeover[] = []
  readonly #store: Store
  readonly #names = new Map<string, string>()
  readonly #living = new Map<string, Set<string>>()
  #watched: Watched[] = []
  /** When the store answered no writer, for it was locked, or its lock was with a process that is frozen; and when the machine had no time. */
  readonly #silences = new Silences()
  #asking: number | undefined
  readonly #loops: Promise<void>[] = []
  readonly #stop = new AbortController()

  constructor(store: Store) {
    this.#store = store
  }

  start(): void {
    this.#loops.push(this.#again(() => this.#look()))
    this.#loops.push(this.#again(() => this.#ask()))
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#loops)
    for (const watched of this.#watched) if (watched.buckets.size > 0) this.#report(watched, undefined)
    this.#watched = []
  }

  /** Takeovers that are not over yet. */
  get pending(): number {
    return this.#watched.filter(({ buckets }) => buckets.size > 0).length
  }

  /** How far all services are, as a text that changes while they work. */
  async progress(): Promise<string> {
    const { groups } = this.#store
    const places: unknown[] = []
    for (const service of await groups.list()) {
      const { checkpoints } = await groups.progress(service)
      places.push(
        service,
        checkpoints,
        (await groups.cursors(service)).map(({ key, position }) => [key, position]),
      )
    }
    return JSON.stringify(places)
  }

  /** A process was hit. */
  async victim(process: string, cause: Takeover['cause'], since = machineTime()): Promise<void> {
    for (const service of await this.#store.groups.list()) {
      const instances = new Set(this.#living.get(process))
      this.#watched.push({
        process,
        service,
        cause,
        since,
        instances,
        buckets: new Set(),
        takenOver: new Set(),
        owners: new Map(),
      })
    }
  }

  /** A frozen process goes on: what nobody has taken over by now it may keep, unless that should have been long ago. */
  resumed(process: string): void {
    const now = machineTime()
    const over = this.#watched.filter((one) => one.process === process && one.cause !== 'kill')
    this.#watched = this.#watched.filter((one) => !over.includes(one))
    for (const watched of over) {
      const seconds = this.#seconds(watched, now)
      if (watched.buckets.size > 0 && seconds >= LONGEST_TAKEOVER) this.#report(watched, seconds)
    }
  }

  async #again(work: () => Promise<void>): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await work().catch(() => undefined) // the store is out of reach for a moment
      const due = machineTime() + LOOK_EVERY
      await delay(LOOK_EVERY, undefined, { signal: this.#stop.signal }).catch(() => undefined)
      const now = machineTime()
      if (now - due > LATE) this.#silences.add(due, now)
    }
  }

  /** Writes, and notes when that had to wait. */
  async #ask(): Promise<void> {
    const from = machineTime()
    this.#asking = from
    try {
      await this.#store.presence.leave('lab-asks')
    } finally {
      this.#asking = undefined
      const to = machineTime()
      if (to - from > ANSWERS_WITHIN) this.#silences.add(from, to)
    }
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
    for (const bucket of buckets) this.#follow(watched, bucket, leases[bucket]?.owner ?? null, now)
    if (isOver(watched)) this.#report(watched, this.#seconds(watched, now))
  }

  /** How long it took so far, without the time in which nobody could have done anything. */
  #seconds({ since }: Watched, now: number): number {
    if (this.#asking !== undefined && now - this.#asking > ANSWERS_WITHIN) this.#silences.add(this.#asking, now)
    return (now - since - this.#silences.within(since, now)) / 1_000
  }

  #follow({ owners }: Watched, bucket: number, owner: string | null, now: number): void {
    const name = owner === null ? 'nobody' : (this.#names.get(owner) ?? owner)
    const path = owners.get(bucket) ?? []
    if (path.at(-1)?.name !== name) owners.set(bucket, [...path, { name, from: now }])
  }

  #report({ process, service, cause, since, owners }: Watched, seconds: number | undefined): void {
    const last = [...owners].sort(([, one], [, other]) => (other.at(-1)?.from ?? 0) - (one.at(-1)?.from ?? 0))[0]
    const steps = last?.[1].map(({ name, from }) => `${name} from ${((from - since) / 1_000).toFixed(1)} s`) ?? []
    this.takeovers.push({ process, service, cause, seconds, last: `bucket ${last?.[0]}: ${steps.join(', ')}` })
  }
}

function isOver({ buckets, takenOver }: Watched): boolean {
  return buckets.size > 0 && takenOver.size === buckets.size
}

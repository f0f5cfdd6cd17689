import { hostname } from 'node:os'
import { HodisaError } from '../errors.ts'
import type { IdMaker } from '../event/id.ts'
import { systemEvents } from '../event/system.ts'
import type { Clock, Hint, Logger, Store } from '../store/port.ts'
import type { ServiceCore } from './core.ts'
import { machineName, processExists } from './machine.ts'
import { Runner } from './runner.ts'
import type { SystemLog } from './system-log.ts'

/** How often a process shows that it lives, and looks at the others. Ms. */
const BEAT_EVERY = 1_000
/** The first look at the others is soon: a process that was started again finds what it left. Ms. */
const FIRST_BEAT_AFTER = 50
/** A process whose counter did not move for so long, by the watcher's clock, is taken for dead. Ms. */
export const LEASE = 6_000
/** What the beats tell is acted on for at most so long, or a store that answers nothing but beats would keep what nobody handles. Ms. */
const LONGEST_WATCH = 2 * LEASE
/** So long before the others may take over, a process begins nothing more. Ms. */
const LEASE_MARGIN = 1_500
/** Every so many beats all is looked at, hint or not. */
const LOOK_EVERY = 10
/** Every so many beats expired events are removed. */
const EXPIRE_EVERY = 60

/** A service to run: everything about it but which instance this is. */
export type ServiceToRun = Omit<ServiceCore, 'instance'>

export interface DeliveryOptions extends Pick<ServiceCore, 'store' | 'clock' | 'logger' | 'system'> {
  readonly source: string
  readonly newId: IdMaker
}

/** Runs the services of one process: one heartbeat, one watch on the store, one runner a service. */
export class Delivery {
  readonly #store: Store
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #system: SystemLog
  readonly #source: string
  readonly #runners: readonly Runner[]
  /** By instance: its counter, and since when it stands there by the own clock. */
  readonly #machine = machineName()
  /** Processes of this machine, by instance. */
  #neighbours = new Map<string, number>()
  readonly #seen = new Map<string, { beat: number; since: number }>()
  readonly #newId: IdMaker
  #instance: string
  #leasesUntil = 0
  #lastBeat = 0
  #beats = 0
  #head = 0
  #running = false
  #cancelBeat: () => void = () => undefined
  #beating: Promise<void> = Promise.resolve()
  /** What the last beats told is being acted on, since when; undefined where nothing is. */
  #watching: { readonly done: Promise<void>; readonly since: number } | undefined
  #unwatch: () => void = () => undefined

  constructor({ source, store, clock, logger, newId, system }: DeliveryOptions, services: readonly ServiceToRun[]) {
    this.#newId = newId
    this.#instance = newId('ins')
    this.#source = source
    this.#store = store
    this.#clock = clock
    this.#logger = logger
    this.#system = system
    const host = { leasesHold: () => this.#clock.monotonic() < this.#leasesUntil }
    this.#runners = services.map((service) => new Runner({ ...service, instance: () => this.#instance }, host))
  }

  /** Resolves when every subscription is recorded. */
  async start(): Promise<void> {
    if (this.#runners.length === 0) return
    this.#running = true
    this.#holdSince(await this.#join(this.#instance))
    this.#unwatch = this.#store.watch((hint) => this.#hinted(hint))
    for (const runner of this.#runners) await runner.start()
    this.#scheduleBeat(FIRST_BEAT_AFTER)
  }

  async stop(timeout: number): Promise<void> {
    if (!this.#running) return
    await Promise.all(this.#runners.map((runner) => runner.stop(timeout)))
    this.#running = false
    this.#cancelBeat()
    await this.#beating
    await this.#watching?.done
    this.#unwatch()
    await this.#store.presence.leave(this.#instance)
  }

  #hinted({ head, groups, services }: Hint): void {
    for (const runner of this.#runners) {
      if (head !== undefined) runner.hint(head)
      if (groups === true && services?.has(runner.service) !== false) runner.resync()
    }
  }

  /** Tells since when the process is known to live, by its own clock. */
  async #join(id: string): Promise<number> {
    const begun = this.#clock.monotonic()
    await this.#store.presence.join({
      id,
      source: this.#source,
      host: hostname(),
      machine: this.#machine,
      pid: process.pid,
      startedAt: this.#clock.now(),
    })
    return begun
  }

  #holdSince(begun: number): void {
    this.#leasesUntil = begun + LEASE - LEASE_MARGIN
    this.#lastBeat = this.#clock.monotonic()
  }

  #scheduleBeat(wait = BEAT_EVERY): void {
    if (!this.#running) return
    this.#cancelBeat = this.#clock.after(wait, () => {
      // Said here, not after the beat: a store that does not answer must not keep handlers running on a lost lease.
      if (this.#clock.monotonic() >= this.#leasesUntil) this.#suspend()
      this.#beating = this.#beat()
        .catch((error) => {
          this.#logger.warn(`heartbeat failed, trying again: ${String(error)}`, { error: String(error) })
        })
        .then(() => this.#scheduleBeat(this.#untilNextBeat()))
    })
  }

  /** Ms; less than usual where somebody's lease runs out before, so that nobody waits for the share of the dead any longer. */
  #untilNextBeat(): number {
    const now = this.#clock.monotonic()
    let wait = BEAT_EVERY
    for (const [id, { since }] of this.#seen) {
      const left = Math.ceil(since + LEASE - now)
      if (id !== this.#instance && left > 0) wait = Math.min(wait, left)
    }
    return wait
  }

  #suspend(): void {
    const reason = new HodisaError('lease-lost', 'this process could not show in time that it lives', {
      instance: this.#instance,
    })
    for (const runner of this.#runners) runner.suspend(reason)
  }

  async #beat(): Promise<void> {
    const begun = this.#clock.monotonic()
    const { since = begun } = this.#watching ?? {}
    if (begun - since > LONGEST_WATCH) {
      this.#logger.warn(`the store has not answered for ${LONGEST_WATCH} ms: others may take over`, {
        since: begun - since,
      })
      return
    }
    const stalled = begun - this.#lastBeat > LEASE / 2
    const { alive, beats } = await this.#store.presence.beat(this.#instance)
    if (!alive) return this.#rejoin()
    this.#holdSince(begun)
    const dead = this.#deadAmong(beats, stalled)
    // The next beat does not wait for it: a store that is slow would let the living seem dead. Who is dead now is so then, too.
    this.#watching ??= { done: this.#watched(dead, beats), since: begun }
  }

  async #watched(dead: Set<string>, beats: ReadonlyMap<string, number>): Promise<void> {
    try {
      await this.#watch(dead, beats)
    } catch (error) {
      this.#logger.warn(`could not look after other processes, trying again: ${String(error)}`, {
        error: String(error),
      })
    }
    this.#watching = undefined
  }

  /** Takes over from the dead, and finds what nobody has told. */
  async #watch(dead: Set<string>, beats: ReadonlyMap<string, number>): Promise<void> {
    for (const id of await this.#endedNeighbours(beats)) dead.add(id)
    if (dead.size > 0) await this.#evict(dead, beats)
    await this.#look(beats)
  }

  /** Somebody took this process for dead: it comes back as another one. */
  async #rejoin(): Promise<void> {
    this.#logger.warn('this process was taken for dead by another; it goes on as a new instance', {
      instance: this.#instance,
    })
    this.#suspend()
    const instance = this.#newId('ins')
    // Present before it is a member of anything: who is a member only is taken for gone.
    const begun = await this.#join(instance)
    this.#instance = instance
    for (const runner of this.#runners) runner.startOver()
    this.#holdSince(begun)
  }

  /**
   * Those whose counter stood still for a whole lease of this process's own time. Time that this process was stalled itself
   * does not count: it says nothing about the others.
   */
  #deadAmong(beats: ReadonlyMap<string, number>, stalled: boolean): Set<string> {
    const now = this.#clock.monotonic()
    const dead = new Set<string>()
    for (const id of this.#seen.keys()) if (!beats.has(id)) this.#seen.delete(id)
    for (const [id, beat] of beats) {
      const seen = this.#seen.get(id)
      if (seen === undefined || seen.beat !== beat || stalled) this.#seen.set(id, { beat, since: now })
      else if (id !== this.#instance && now - seen.since >= LEASE) dead.add(id)
    }
    return dead
  }

  /** Instances on this machine whose process does not exist any more: nobody has to wait for their lease. */
  async #endedNeighbours(beats: ReadonlyMap<string, number>): Promise<string[]> {
    if ([...beats.keys()].some((id) => !this.#neighbours.has(id))) {
      const all = await this.#store.presence.list()
      // Of another machine: an id that always exists, so that it is not asked for again.
      this.#neighbours = new Map(all.map(({ id, machine, pid }) => [id, machine === this.#machine ? pid : process.pid]))
    }
    return [...beats.keys()].filter((id) => !processExists(this.#neighbours.get(id) ?? process.pid))
  }

  async #evict(dead: ReadonlySet<string>, beats: ReadonlyMap<string, number>): Promise<void> {
    const gone = new Set<string>()
    for (const id of dead) if (await this.#store.presence.leave(id, beats.get(id))) gone.add(id)
    if (gone.size === 0) return
    this.#logger.warn('instances do not answer any more; their share is taken over', { instances: [...gone] })
    const evicted = await Promise.allSettled(this.#runners.map((runner) => runner.evict(gone)))
    for (const outcome of evicted) if (outcome.status === 'rejected') throw outcome.reason
    for (const instance of gone) {
      await this.#system.say(systemEvents.instanceLost({ instance, lostBy: this.#instance }), { once: [instance] })
    }
  }

  /** Those of a group's members that are not there now: some may have come since the others were counted. */
  async #absent(members: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    if (members.size === 0) return members
    const present = new Set((await this.#store.presence.list()).map(({ id }) => id))
    return new Set([...members].filter((id) => !present.has(id)))
  }

  /** What hints would have told, were one lost; and members whose process is gone without having left. */
  async #look(beats: ReadonlyMap<string, number>): Promise<void> {
    const [head, revisions] = [await this.#store.head(), await this.#store.groups.revisions()]
    const full = ++this.#beats % LOOK_EVERY === 0
    for (const runner of this.#runners) {
      if (head > this.#head) runner.hint(head)
      if (full || !runner.knows(revisions.get(runner.service))) runner.resync()
      const lost = await this.#absent(runner.membersOutside(beats))
      if (lost.size > 0) await runner.evict(lost)
      await runner.watchLag(head)
    }
    if (this.#beats % EXPIRE_EVERY === 0) await this.#store.expire(this.#clock.now())
    this.#head = head
  }
}

import { HodisaError, isHodisaError } from '../errors.ts'
import { bucketOf } from '../event/bucket.ts'
import { systemEvents } from '../event/system.ts'
import { keyOf, type StoredEvent } from '../store/events.ts'
import type { Progress } from '../store/groups.ts'
import type { ServiceCore } from './core.ts'
import { Dispatcher, type DispatcherHost } from './dispatcher.ts'
import * as plan from './group-plan.ts'
import { Guard } from './guard.ts'
import { Membership } from './membership.ts'
import { isWhole } from './one-lane.ts'
import { Shares } from './shares.ts'
import { Tracker } from './tracker.ts'

/** How many events that are not finished may be in memory, and how many are read at once. */
const MOST_OPEN = 1_000
const PAGE = 500
/** The same for a service that is one lane: its events are handled a page at a time. */
const MOST_OPEN_IN_ONE_LANE = 4_000
export const PAGE_IN_ONE_LANE = 1_000
/** How many events of one key may wait in memory while others need the room. */
const LONG_LANE = 200
/** How long the end of the log may be out of reach before it is told. Ms. */
const LAGGING_AFTER = 60_000

/** How long it may read and handle until timers and sockets get their turn, which costs a millisecond. Ms. */
const LONGEST_TURN = 10

/** What the runner is told by the process around it. */
export interface RunnerHost {
  /** Whether the leases hold, by this process's own clock. */
  leasesHold(): boolean
}

/**
 * One instance of one service. Its loop does one thing at a time: come in line with the group, write down progress, read on; the
 * handlers run beside it.
 */
export class Runner {
  readonly #core: ServiceCore
  readonly #shares = new Shares()
  readonly #tracker: Tracker
  readonly #dispatcher: Dispatcher
  readonly #membership: Membership
  /** Where the log ended a while ago, to see whether it is reached in time. */
  #goal = { head: 0, since: 0, said: false }
  #atEnd = false
  #syncWanted = true
  #draining = false
  #stopped = false
  #turnStarted = Number.NEGATIVE_INFINITY
  #wake = Promise.withResolvers<void>()
  #loop: Promise<void> | undefined

  constructor(core: ServiceCore, host: RunnerHost) {
    this.#core = core
    this.#tracker = new Tracker(core, this.#shares, () => this.#rouse())
    const guard = new Guard(core)
    const dispatcherHost: DispatcherHost = {
      shares: this.#shares,
      mayStart: () =>
        !this.#draining &&
        this.#membership.state?.paused === null &&
        host.leasesHold() &&
        (!isWhole(this.#core.oneLane) || this.#shares.isAll),
      scanned: () => this.#tracker.scanned,
      persisted: ({ bucket }) => Math.max(this.#tracker.mark, this.#membership.state?.leases[bucket]?.checkpoint ?? 0),
      write: (change) => this.#write(change),
      stopService: (reason) => this.#pause(reason),
      giveUp: (bucket, ended) => {
        this.#membership.giveUp(bucket, ended)
        this.resync()
      },
      finished: (entry, recorded) => this.#tracker.finished(entry, recorded),
      passed: (entry) => this.#tracker.passed(entry),
      change: (decide) => this.#membership.change(decide),
      progressed: () => this.#rouse(),
      resync: () => this.resync(),
    }
    this.#dispatcher = new Dispatcher(core, dispatcherHost, guard)
    this.#membership = new Membership(core, this.#shares, this.#tracker, this.#dispatcher, guard)
  }

  get service(): string {
    return this.#core.service
  }

  /** Resolves when the subscriptions are recorded; the work goes on until `stop`. */
  async start(): Promise<void> {
    await this.#membership.join()
    this.#loop = this.#run()
  }

  /** There may be events above this position. */
  hint(head: number): void {
    if (head <= this.#tracker.scanned) return
    this.#atEnd = false
    this.#rouse()
  }

  /** The group, its cursors or its dead letters may have changed. */
  resync(): void {
    this.#syncWanted = true
    this.#rouse()
  }

  knows(revision: number | undefined): boolean {
    return this.#membership.state?.revision === revision
  }

  /** Members of the group that are no living process. */
  membersOutside(living: ReadonlyMap<string, number>): ReadonlySet<string> {
    const members = this.#membership.state?.members ?? []
    return new Set(
      members.map(({ instance }) => instance).filter((id) => !living.has(id) && id !== this.#core.instance()),
    )
  }

  /** Tells when what stood at the end of the log a while ago is still not finished, and when it is. */
  async watchLag(head: number): Promise<void> {
    const { clock, service, system } = this.#core
    const now = clock.monotonic()
    const position = this.#tracker.lowWater()
    if (this.#shares.size === 0 || this.#membership.state?.paused !== null || position >= this.#goal.head) {
      if (this.#goal.said) await system.say(systemEvents.serviceCaughtUp({ service }))
      this.#goal = { head, since: now, said: false }
    } else if (!this.#goal.said && now - this.#goal.since >= LAGGING_AFTER) {
      this.#goal.said = true
      const seconds = Math.round((now - this.#goal.since) / 1_000)
      await system.say(systemEvents.serviceLagging({ service, position, head, seconds }))
    }
  }

  /** The own leases are nearly out: whatever runs is ended. */
  suspend(reason: HodisaError): void {
    this.#dispatcher.kill(reason)
  }

  /** This process is another instance from now on: nothing of what it held is its own, whoever has it now. */
  startOver(): void {
    this.#membership.loseAll()
    this.resync()
  }

  /** Takes dead instances out of the group. */
  async evict(dead: ReadonlySet<string>): Promise<void> {
    const head = await this.#core.store.head()
    await this.#membership.change((state) => plan.evict(state, dead, head))
    this.resync()
  }

  /** Lets what runs finish, for at most `timeout` ms, and hands everything over. */
  async stop(timeout: number): Promise<void> {
    if (this.#loop === undefined) return
    this.#draining = true
    this.#dispatcher.dropQueued(() => true)
    let cancel: () => void = () => undefined
    const late = new Promise<'late'>((resolve) => {
      cancel = this.#core.clock.after(timeout, () => resolve('late'))
    })
    if ((await Promise.race([this.#dispatcher.idle(), late])) === 'late') {
      const { logger, service } = this.#core
      logger.warn(
        `service ${service}: stops before ${this.#dispatcher.running} handlers are done; their events come again`,
      )
      this.#dispatcher.kill(
        new HodisaError('lease-lost', `service ${service}: the app stopped before the handler was done`),
      )
    }
    cancel()
    this.#stopped = true
    this.#rouse()
    await this.#loop
    this.#dispatcher.failing.stop()
    await this.#membership.leave()
  }

  async #run(): Promise<void> {
    let failures = 0
    while (!this.#stopped) {
      try {
        if (this.#syncWanted) await this.#sync()
        if (this.#tracker.flushIsDue) await this.#flush()
        if (this.#mayRead()) await this.#read()
        else await this.#sleep()
        failures = 0
      } catch (error) {
        this.#syncWanted = true
        if (isHodisaError(error, 'lease-lost') || this.#stopped) continue
        const { service, logger, clock } = this.#core
        logger.warn(`service ${service}: the store refused, trying again: ${String(error)}`, { error: String(error) })
        await new Promise<void>((resolve) => clock.after(Math.min(5_000, 50 * 2 ** failures++), resolve))
      }
    }
  }

  async #sleep(): Promise<void> {
    await this.#wake.promise
    this.#wake = Promise.withResolvers()
  }

  #rouse(): void {
    this.#wake.resolve()
  }

  async #sync(): Promise<void> {
    this.#syncWanted = false
    if (await this.#membership.sync()) this.resync() // and not only when something else wakes the loop
    this.#atEnd = false
    this.#dispatcher.dispatch()
  }

  async #flush(): Promise<void> {
    const { state } = this.#membership
    if (state !== undefined) await this.#tracker.flush(state)
  }

  get #mostOpen(): number {
    return this.#core.oneLane === undefined ? MOST_OPEN : MOST_OPEN_IN_ONE_LANE
  }

  #mayRead(): boolean {
    return (
      !this.#atEnd &&
      !this.#draining &&
      !this.#syncWanted &&
      this.#shares.size > 0 &&
      this.#membership.state?.paused === null &&
      this.#tracker.open < this.#mostOpen / 2 &&
      !this.#tracker.isFull
    )
  }

  async #read(): Promise<void> {
    this.#atEnd = true // a hint that comes while the page is read says otherwise
    const placing = this.#core.oneLane?.keyOf
    const buckets = placing === undefined ? this.#shares.readable() : undefined
    const page = await this.#core.store.readLog({
      after: this.#tracker.scanned,
      types: this.#shares.patterns,
      ...(buckets !== undefined && { buckets }),
      limit: this.#core.oneLane === undefined ? PAGE : PAGE_IN_ONE_LANE,
    })
    for (const stored of page.events) {
      if (placing === undefined) this.#accept(stored, this.#core.oneLane === undefined ? keyOf(stored) : '')
      else await this.#place(stored, placing(stored))
    }
    this.#tracker.hasRead(page.scanned)
    this.#dispatcher.failing.readOn()
    if (!page.end) this.#atEnd = false
    this.#dispatcher.dispatch()
    this.#tracker.lowWater() // what is finished by now need not wait in memory for the next flush
    if (this.#core.oneLane === undefined && this.#tracker.open >= MOST_OPEN / 2) {
      for (const lane of this.#dispatcher.lanes.longerThan(LONG_LANE))
        await this.#dispatcher.failing.defer(lane, LONG_LANE / 4)
    }
    const { clock } = this.#core
    if (clock.monotonic() - this.#turnStarted < LONGEST_TURN) return
    // Pages of synchronous handlers must not keep timers and other processes' news from being heard.
    await new Promise<void>((resolve) => clock.after(0, resolve))
    this.#turnStarted = clock.monotonic()
  }

  /** Into the bucket of a key that is not the event's own. */
  async #place(stored: StoredEvent, given: string | undefined | Promise<string | undefined>): Promise<void> {
    const key = given instanceof Promise ? await given : given
    if (key !== undefined) this.#accept({ ...stored, bucket: bucketOf(key) }, key)
  }

  #accept(stored: StoredEvent, key: string): void {
    const share = this.#shares.shareOf(stored)
    if (share === undefined) return
    if (this.#dispatcher.failing.takes(key, stored.position)) return
    const entry = { stored, key, epoch: share.epoch, status: 'queued' as const }
    this.#tracker.add(entry)
    this.#dispatcher.lanes.add(entry)
  }

  /** A write that must succeed as long as the bucket is ours. */
  async #write(change: Partial<Progress> & Pick<Progress, 'fences'>): Promise<void> {
    const { store, service, instance } = this.#core
    await this.#insist(() => store.progress({ ...change, service, instance: instance() }))
  }

  async #pause(reason: string): Promise<void> {
    await this.#insist(() =>
      this.#membership.change((state) => (state.paused === null ? { paused: reason } : undefined)),
    )
    await this.#core.system.say(systemEvents.serviceStopped({ service: this.service, reason }))
    this.resync()
  }

  /** Tries until the store takes it, the bucket is somebody else's, or the app has stopped. */
  async #insist(write: () => Promise<unknown>): Promise<void> {
    const { service, clock, logger } = this.#core
    for (let wait = 100; ; wait = Math.min(10_000, wait * 2)) {
      try {
        await write()
        return
      } catch (error) {
        if (isHodisaError(error, 'lease-lost') || isHodisaError(error, 'app-stopped') || this.#stopped) throw error
        logger.warn(`service ${service}: could not write down progress, trying again: ${String(error)}`, {
          error: String(error),
        })
        await new Promise<void>((resolve) => clock.after(wait, resolve))
      }
    }
  }
}

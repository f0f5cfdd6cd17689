import { HodisaError, isHodisaError } from '../errors.ts'
import { systemEvents } from '../event/system.ts'
import { positionBefore } from '../log/read.ts'
import type { GroupState, Member, Subscription } from '../store/groups.ts'
import type { ServiceCore } from './core.ts'
import type { Dispatcher } from './dispatcher.ts'
import * as plan from './group-plan.ts'
import type { Guard } from './guard.ts'
import { isWhole } from './one-lane.ts'
import { renamedSince } from './renamed.ts'
import type { Share, Shares } from './shares.ts'
import type { Tracker } from './tracker.ts'

/** How long a free bucket is left to the instance it is due to, which may be dead without anybody knowing yet. Ms. */
const FREE_FOR = 1_000
/** How long what was claimed beyond the quota is kept, so that it does not go back and forth. Ms. */
const ORPHANS_FOR = 5_000
/** How soon to look again whether a bucket on its way out is drained. Ms. */
const LOOK_AGAIN = 25
/** For how long at most what operators changed may wait behind much else. Ms. */
const MOST_WAIT = 1_000

/** What an instance is to its group: which buckets it takes, loses and lets go, so that all shares come out even. */
export class Membership {
  readonly #core: ServiceCore
  readonly #shares: Shares
  readonly #tracker: Tracker
  readonly #dispatcher: Dispatcher
  readonly #guard: Guard
  /** Buckets with a stuck handler: let go at once, and not claimed again. */
  readonly #stuck = new Set<number>()
  /** Subscriptions that no live member announces, and since when, by the own clock. */
  readonly #unannounced = new Map<string, number>()
  #state: GroupState | undefined
  #leaving = false
  /** Since when there have been free buckets, by the own clock. */
  #freeSince: number | undefined
  /** Until then nothing is let go for being above the quota. */
  #keepsUntil = 0
  /** Buckets were claimed whose cursors were not loaded yet. */
  #claimed = false
  #loadAgainAt = 0
  /** A timer is set to load cursors. */
  #loading = false
  #looking = false

  constructor(core: ServiceCore, shares: Shares, tracker: Tracker, dispatcher: Dispatcher, guard: Guard) {
    this.#guard = guard
    this.#core = core
    this.#shares = shares
    this.#tracker = tracker
    this.#dispatcher = dispatcher
  }

  /** The group as it was last read. */
  get state(): GroupState | undefined {
    return this.#state
  }

  /** Resolves when this instance's subscriptions are recorded. */
  async join(): Promise<void> {
    const { store, routes, options, service } = this.#core
    await this.change(async (state) => {
      const wanted: Subscription[] = []
      for (const { pattern, from, formerly } of routes.subscriptions()) {
        // What is added to a service that is there already begins now, unless it says otherwise itself.
        const place = from ?? (state.subscriptions.length === 0 ? options.from : 'now')
        const since = (await renamedSince(store, state, pattern, formerly)) ?? (await positionBefore(store, place))
        wanted.push({ pattern, since })
      }
      this.#core.logger.debug(`service ${service}: joins`, { instance: this.#core.instance() })
      return plan.join(state, this.#member(), wanted)
    })
  }

  /** Brings this instance in line with the group. True when it must be done again soon. */
  async sync(): Promise<boolean> {
    const { store, service } = this.#core
    const state = await store.groups.read(service)
    if (!state.members.some(({ instance }) => instance === this.#core.instance())) {
      this.loseAll()
      await this.join()
      this.#reconcile(await store.groups.read(service))
    } else this.#reconcile(state)
    const handedOver = await this.#handOver()
    const claimed = await this.#claim()
    await this.#loadCursors()
    const draining = this.#offer() || this.#releaseSurplus()
    return (await this.#endSubscriptions()) || !handedOver || !claimed || draining
  }

  /**
   * Takes over the cursors of buckets that were just claimed, and what operators have changed. The latter waits a little where
   * there are many: every parked key is a reason to look, and a long list read each time would leave time for nothing else.
   */
  async #loadCursors(): Promise<void> {
    const { store, service, clock } = this.#core
    const begun = clock.monotonic()
    if (!this.#claimed && begun < this.#loadAgainAt) {
      if (this.#loading) return
      this.#loading = true
      const again = () => {
        this.#loading = false
        this.#dispatcher.nudge()
      }
      clock.after(this.#loadAgainAt - begun, again, true)
      return
    }
    const buckets = new Set([...this.#shares.values()].map(({ bucket }) => bucket))
    this.#dispatcher.failing.reads()
    for (const cursor of await store.groups.cursors(service, buckets)) this.#dispatcher.failing.load(cursor)
    this.#claimed = false
    const now = clock.monotonic()
    this.#loadAgainAt = now + Math.min(MOST_WAIT, (now - begun) * 10)
  }

  /** Drops all shares: they are, or will be, somebody else's. */
  loseAll(): void {
    for (const { bucket } of [...this.#shares.values()]) this.#lose(bucket)
  }

  /** Hands everything over and leaves. Nothing may run any more. */
  async leave(): Promise<void> {
    this.#leaving = true
    while (this.#state !== undefined && !(await this.#flushBeforeLeaving())) {
      this.#reconcile(await this.#core.store.groups.read(this.#core.service))
    }
    await this.change((state) => {
      this.#reconcile(state) // somebody may have added a pattern that begins before what is finished here
      const mine = [...this.#shares.values()].filter(({ bucket, epoch }) => {
        const lease = state.leases[bucket]
        return lease?.owner === this.#core.instance() && lease.epoch === epoch
      })
      return plan.leave(
        state,
        this.#core.instance(),
        mine.map((share) => this.#handover(share)),
      )
    })
  }

  /** What is finished above something open must be written down, or it would come again. False when the group has changed. */
  async #flushBeforeLeaving(): Promise<boolean> {
    if (this.#state === undefined) return true
    try {
      await this.#dispatcher.failing.save(new Set([...this.#shares.values()].map(({ bucket }) => bucket)))
      await this.#tracker.flush(this.#state)
      return true
    } catch (error) {
      if (isHodisaError(error, 'lease-lost')) return false
      throw error
    }
  }

  /** A handler of this bucket does not come back: others go on with it. */
  giveUp(bucket: number, ended: Promise<unknown>): void {
    this.#stuck.add(bucket)
    this.#drain(bucket, null)
    const back = () => {
      this.#stuck.delete(bucket)
      this.#dispatcher.nudge()
    }
    ended.then(back, back)
  }

  /** Tries a change by compare-and-set until it goes through, or nothing is to be changed. */
  async change(decide: (state: GroupState) => plan.Change | Promise<plan.Change>): Promise<void> {
    const { store, service } = this.#core
    for (;;) {
      const state = await store.groups.read(service)
      const change = await decide(state)
      if (change === undefined || (await store.groups.update(service, state.revision, change))) return
    }
  }

  get #sharing(): plan.Sharing {
    return isWhole(this.#core.oneLane) ? 'one' : 'even'
  }

  #member(): Member {
    const { routes, registry, instance } = this.#core
    const patterns = routes.subscriptions().map(({ pattern }) => pattern)
    return { instance: instance(), patterns, versions: registry.versions() }
  }

  /** Drops what somebody else holds by now, and follows the subscriptions. */
  #reconcile(state: GroupState): void {
    const me = this.#core.instance()
    for (const { bucket, epoch } of [...this.#shares.values()]) {
      const lease = state.leases[bucket]
      if (lease?.owner !== me || lease.epoch !== epoch) this.#lose(bucket)
    }
    const before = this.#state
    this.#state = state
    this.#dispatcher.breakers.share(state.breakers)
    if (JSON.stringify(before?.subscriptions) === JSON.stringify(state.subscriptions)) return
    if (before !== undefined) {
      this.#tracker.keepFinished()
      this.#tracker.settleDraining()
      this.#shares.rewind(state, this.#tracker.lowWater())
    }
    this.#shares.subscribe(state.subscriptions)
    if (before === undefined) return
    this.#restart()
    this.#dispatcher.failing.reconsider()
  }

  /** Claims what is free and due to this instance. False when somebody else was quicker. */
  async #claim(): Promise<boolean> {
    const { store, service } = this.#core
    const before = this.#state
    if (before === undefined || this.#leaving) return true
    const orphaned = this.#areOrphaned(before)
    const claim = plan.claim(before, this.#member(), this.#stuck, orphaned, this.#sharing)
    if (claim !== undefined) {
      if (!(await store.groups.update(service, before.revision, claim))) return false
      if (orphaned) {
        this.#keepsUntil = this.#core.clock.monotonic() + ORPHANS_FOR
        this.#core.clock.after(ORPHANS_FOR + 1, () => this.#dispatcher.nudge(), true)
      }
      this.#reconcile(await store.groups.read(service))
    }
    await this.#take() // also what was claimed before, when the store did not answer in between
    return true
  }

  /** Whether there are buckets that nobody has come for in time. */
  #areOrphaned({ leases }: GroupState): boolean {
    const { clock } = this.#core
    const now = clock.monotonic()
    if (!leases.some(({ bucket, owner }) => owner === null && !this.#stuck.has(bucket))) {
      this.#freeSince = undefined
      return false
    }
    if (this.#freeSince === undefined) {
      this.#freeSince = now
      clock.after(FREE_FOR + 1, () => this.#dispatcher.nudge(), true) // a timer may come a moment before its time
    }
    return now - this.#freeSince >= FREE_FOR
  }

  /** Takes the buckets that are its own by now; reads again from where one of them is behind. */
  async #take(): Promise<void> {
    const { store, service, instance } = this.#core
    const me = instance()
    const owned = this.#state?.leases.filter(({ owner }) => owner === me) ?? []
    const fresh = owned.filter(({ bucket }) => this.#shares.get(bucket) === undefined)
    if (fresh.length === 0) return
    const buckets = new Set(fresh.map(({ bucket }) => bucket))
    const [done, started] = [await store.groups.done(service, buckets), await store.groups.started(service, buckets)]
    if (instance() !== me) return // taken for dead meanwhile
    const startedIn = Map.groupBy(started, ({ bucket }) => bucket)
    const byBucket = Map.groupBy(done, ({ bucket }) => bucket)
    this.#tracker.keepFinished()
    this.#tracker.settleDraining()
    this.#shares.raise(this.#tracker.lowWater())
    this.#claimed = true
    for (const lease of fresh) {
      this.#guard.take(lease, startedIn.get(lease.bucket) ?? [])
      this.#shares.take(
        lease,
        (byBucket.get(lease.bucket) ?? []).map(({ position }) => position),
      )
    }
    this.#restart()
  }

  #restart(): void {
    this.#dispatcher.dropQueued(() => true)
    this.#tracker.restart()
  }

  #lose(bucket: number): void {
    const reason = new HodisaError('lease-lost', `service ${this.#core.service}: bucket ${bucket} was taken over`, {
      bucket,
    })
    this.#dispatcher.kill(reason, bucket)
    this.#dispatcher.dropQueued(({ stored }) => stored.bucket === bucket)
    this.#tracker.passBucket(bucket)
    this.#shares.drop(bucket)
    this.#guard.drop(bucket)
    this.#dispatcher.failing.drop(bucket)
  }

  /** Offers buckets whose head only others can handle. */
  #offer(): boolean {
    const others = this.#state?.members.filter(({ instance }) => instance !== this.#core.instance()) ?? []
    let offered = false
    for (const { cursor, needs } of this.#dispatcher.failing.values()) {
      if (needs === undefined || !others.some((member) => plan.canHandle(member, needs))) continue
      offered = this.#drain(cursor.bucket, needs) || offered
    }
    return offered
  }

  /** Begins to let go of what is above the quota. */
  #releaseSurplus(): boolean {
    if (this.#state === undefined || this.#core.clock.monotonic() < this.#keepsUntil) return false
    const kept = [...this.#shares.values()].filter(({ draining }) => draining === undefined)
    const surplus = Math.max(0, kept.length - plan.quota(this.#state, this.#core.instance(), this.#sharing))
    for (const { bucket } of kept.slice(0, surplus)) this.#drain(bucket, null)
    return surplus > 0
  }

  #drain(bucket: number, needs: plan.Needs | null): boolean {
    const share = this.#shares.get(bucket)
    if (share === undefined || share.draining !== undefined) return false
    share.draining = { needs, scanned: this.#tracker.scanned }
    this.#dispatcher.dropQueued(({ stored }) => stored.bucket === bucket)
    return true
  }

  /** Hands over the buckets on their way out in which nothing runs any more. False when somebody else changed the group. */
  async #handOver(): Promise<boolean> {
    const leaving = [...this.#shares.values()].filter(({ draining }) => draining !== undefined)
    if (leaving.length === 0 || this.#state === undefined) return true
    const ready = leaving.filter(({ bucket }) => this.#stuck.has(bucket) || !this.#runs(bucket))
    if (ready.length < leaving.length) this.#lookAgain()
    if (ready.length === 0) return true
    const { store, service, instance } = this.#core
    const me = instance()
    await this.#dispatcher.failing.save(new Set(ready.map(({ bucket }) => bucket)))
    await this.#tracker.flush(this.#state)
    if (instance() !== me) return false // taken for dead meanwhile: how far the shares were is not known any more
    const handovers = ready.map((share) => this.#handover(share))
    const done = await store.groups.update(service, this.#state.revision, plan.release(handovers))
    if (done) for (const { bucket } of ready) this.#lose(bucket)
    this.#reconcile(await store.groups.read(service))
    return done
  }

  #lookAgain(): void {
    if (this.#looking) return
    this.#looking = true
    const look = () => {
      this.#looking = false
      this.#dispatcher.nudge()
    }
    this.#core.clock.after(LOOK_AGAIN, look, true)
  }

  #handover(share: Share): plan.Handover {
    return this.#shares.handover(share, this.#tracker.finishedTo(share))
  }

  #runs(bucket: number): boolean {
    if (this.#tracker.runs(bucket)) return true
    return [...this.#dispatcher.failing.values()].some(({ cursor, lane }) => cursor.bucket === bucket && lane.busy)
  }

  /** A subscription ends when no live instance has announced it for long enough, by this instance's own clock. */
  async #endSubscriptions(): Promise<boolean> {
    const { clock, logger, options, service } = this.#core
    const announced = new Set(this.#state?.members.flatMap(({ patterns }) => patterns))
    for (const pattern of [...this.#unannounced.keys()]) if (announced.has(pattern)) this.#unannounced.delete(pattern)
    const ended = new Set<string>()
    for (const { pattern } of this.#state?.subscriptions ?? []) {
      if (announced.has(pattern)) continue
      const since = this.#unannounced.get(pattern) ?? clock.monotonic()
      this.#unannounced.set(pattern, since)
      if (clock.monotonic() - since >= options.abandonAfter) ended.add(pattern)
    }
    if (ended.size === 0) return false
    logger.warn(`service ${service}: nobody handles ${[...ended].join(', ')} any more; the subscription ends`)
    await this.change((state) => ({ subscriptions: state.subscriptions.filter(({ pattern }) => !ended.has(pattern)) }))
    for (const pattern of ended) {
      await this.#core.system.say(systemEvents.subscriptionEnded({ service, pattern }), { about: pattern })
    }
    return true
  }
}

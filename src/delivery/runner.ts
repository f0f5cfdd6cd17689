import { HodisaError, isHodisaError } from '../errors.ts'
import { positionBefore } from '../log/read.ts'
import type { StoredEvent } from '../store/events.ts'
import { keyOf } from '../store/events.ts'
import type { GroupState, Member, Progress } from '../store/groups.ts'
import type { ServiceCore } from './core.ts'
import { Dispatcher } from './dispatcher.ts'
import * as plan from './group-plan.ts'
import { type Share, Shares } from './shares.ts'
import { type Entry, isOpen, Window } from './window.ts'

/** Events that may wait in memory, and how many may stand above the low-water mark. */
const QUEUED = 1_000
const OPEN_WINDOW = 20_000
const PAGE = 500
/** How long finished events may wait until the store is told, and a mark that passed nothing of ours. Ms. */
const FLUSH_AFTER = 25
const FLUSH_SCANNED_AFTER = 1_000

/** What the runner is told by the process around it. */
export interface RunnerHost {
  /** Whether the leases hold, by this process's own clock. */
  leasesHold(): boolean
}

/** One instance of one service: reads its share of the log, dispatches, and writes down how far it is. */
export class Runner {
  readonly #core: ServiceCore
  readonly #shares = new Shares()
  readonly #window = new Window()
  readonly #dispatcher: Dispatcher
  /** Finished above the low-water mark, and not written yet. */
  readonly #unwritten = new Map<number, Entry>()
  /** Buckets with a stuck handler: not claimed again before it settles. */
  readonly #stuck = new Set<number>()
  /** Subscriptions that no live member announces, and since when, by the own clock. */
  readonly #unannounced = new Map<string, number>()
  #state: GroupState | undefined
  #scanned = 0
  #queued = 0
  #mark = 0
  #atEnd = false
  #syncWanted = true
  #flushAt = Number.POSITIVE_INFINITY
  #draining = false
  #stopped = false
  #wake = Promise.withResolvers<void>()
  #cancelFlush: () => void = () => undefined
  #loop: Promise<void> | undefined

  constructor(core: ServiceCore, host: RunnerHost) {
    this.#core = core
    this.#dispatcher = new Dispatcher(core, {
      shares: this.#shares,
      mayStart: () => !this.#draining && this.#state?.paused === null && host.leasesHold(),
      scanned: () => this.#scanned,
      persisted: (share) => Math.max(this.#mark, this.#state?.leases[share.bucket]?.checkpoint ?? 0),
      write: (change) => this.#write(change),
      stopService: (reason) => this.#pause(reason),
      giveUp: (bucket) => this.#giveUp(bucket),
      finished: (entry, recorded) => this.#finished(entry, recorded),
      passed: (entry) => this.#passed(entry),
      progressed: () => this.#rouse(),
      resync: () => this.resync(),
    })
  }

  get service(): string {
    return this.#core.service
  }

  /** Resolves when the subscriptions are recorded; the work goes on until `stop`. */
  async start(): Promise<void> {
    await this.#join()
    this.#loop = this.#run()
  }

  /** There may be events above this position. */
  hint(head: number): void {
    if (head <= this.#scanned) return
    this.#atEnd = false
    this.#rouse()
  }

  /** The group, its cursors or its dead letters may have changed. */
  resync(): void {
    this.#syncWanted = true
    this.#rouse()
  }

  knows(revision: number | undefined): boolean {
    return this.#state?.revision === revision
  }

  /** Members of the group that are no living process. */
  membersOutside(living: ReadonlyMap<string, number>): ReadonlySet<string> {
    const members = this.#state?.members ?? []
    return new Set(
      members.map(({ instance }) => instance).filter((id) => !living.has(id) && id !== this.#core.instance()),
    )
  }

  /** The own leases are nearly out: whatever runs is ended. */
  suspend(reason: HodisaError): void {
    this.#dispatcher.kill(reason)
  }

  /** Takes dead instances out of the group. */
  async evict(dead: ReadonlySet<string>): Promise<void> {
    await this.#change((state) => plan.evict(state, dead))
    this.resync()
  }

  /** Finishes what runs, for at most `timeout` ms, and hands everything over. */
  async stop(timeout: number): Promise<void> {
    if (this.#loop === undefined) return
    this.#draining = true
    this.#rouse()
    let cancel = () => {}
    const late = new Promise<'late'>((resolve) => {
      cancel = this.#core.clock.after(timeout, () => resolve('late'))
    })
    this.#dispatcher.dropQueued(() => true)
    if ((await Promise.race([this.#dispatcher.idle(), late])) === 'late') {
      this.#dispatcher.kill(
        new HodisaError('lease-lost', `service ${this.service}: the app stopped before the handler was done`),
      )
    }
    cancel()
    this.#stopped = true
    this.#rouse()
    await this.#loop
    this.#dispatcher.failing.stop()
    await this.#leave()
  }

  async #run(): Promise<void> {
    let failures = 0
    while (!this.#stopped) {
      try {
        if (this.#syncWanted) await this.#sync()
        if (this.#core.clock.monotonic() >= this.#flushAt) await this.#flush()
        if (this.#mayRead()) await this.#read()
        else await this.#sleep()
        failures = 0
      } catch (error) {
        if (this.#stopped) return
        this.#syncWanted = true
        if (isHodisaError(error, 'lease-lost')) continue
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

  // ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #mayRead(): boolean {
    return (
      !this.#atEnd &&
      !this.#draining &&
      !this.#syncWanted &&
      this.#shares.size > 0 &&
      this.#state?.paused === null &&
      this.#queued < QUEUED / 2 &&
      this.#window.size < OPEN_WINDOW
    )
  }

  async #read(): Promise<void> {
    this.#atEnd = true // a hint that comes while the page is read says otherwise
    const buckets = this.#shares.readable()
    const page = await this.#core.store.readLog({
      after: this.#scanned,
      types: this.#shares.patterns,
      ...(buckets !== undefined && { buckets }),
      limit: PAGE,
    })
    for (const stored of page.events) this.#accept(stored)
    this.#scanned = page.scanned
    if (!page.end) this.#atEnd = false
    this.#dispatcher.dispatch()
    this.#flushSoon(FLUSH_SCANNED_AFTER)
    // A long page of synchronous handlers must not keep timers and other processes' news from being heard.
    await new Promise<void>((resolve) => setImmediate(resolve))
  }

  #accept(stored: StoredEvent): void {
    const share = this.#shares.shareOf(stored)
    if (share === undefined) return
    const key = keyOf(stored)
    if (this.#dispatcher.failing.takes(key, stored.position)) return
    const entry: Entry = { stored, key, epoch: share.epoch, status: 'queued' }
    this.#window.push(entry)
    this.#queued++
    this.#dispatcher.lanes.add(entry)
  }

  // ── progress ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #finished(entry: Entry, recorded: boolean): void {
    if (entry.status === 'passed') return
    entry.status = 'finished'
    this.#queued--
    if (!recorded) this.#unwritten.set(entry.stored.position, entry)
    this.#flushSoon(FLUSH_AFTER)
    if (this.#queued < QUEUED / 2) this.#rouse()
  }

  #passed(entry: Entry): void {
    if (!isOpen(entry)) return
    entry.status = 'passed'
    this.#queued--
  }

  #flushSoon(wait: number): void {
    const at = this.#core.clock.monotonic() + wait
    if (at >= this.#flushAt) return
    this.#flushAt = at
    this.#cancelFlush()
    this.#cancelFlush = this.#core.clock.after(wait, () => this.#rouse(), true)
  }

  /** Tells the store how far this instance is: its mark, and what is finished above it. */
  async #flush(): Promise<void> {
    const state = this.#state
    if (state === undefined || this.#shares.size === 0) return
    this.#flushAt = Number.POSITIVE_INFINITY
    this.#cancelFlush()
    const lowWater = this.#window.lowWater(this.#scanned)
    // The mark speaks for all buckets, and one that is on its way out is not read any further.
    let mark = lowWater
    for (const { draining } of this.#shares.values())
      if (draining !== undefined) mark = Math.min(mark, draining.scanned)
    const fences = new Map<number, { bucket: number; epoch: number }>()
    const done: { bucket: number; position: number }[] = []
    for (const [position, { stored, epoch }] of this.#unwritten) {
      if (position <= mark) this.#unwritten.delete(position)
      else if (this.#shares.get(stored.bucket)?.epoch === epoch) {
        fences.set(stored.bucket, { bucket: stored.bucket, epoch })
        done.push({ bucket: stored.bucket, position })
      } else this.#unwritten.delete(position)
    }
    if (mark <= this.#mark && done.length === 0) return
    try {
      await this.#core.store.progress({
        service: this.service,
        instance: this.#core.instance(),
        groupRevision: state.revision,
        mark,
        fences: [...fences.values()],
        done,
      })
    } catch (error) {
      this.#flushSoon(FLUSH_AFTER)
      throw error
    }
    for (const { position } of done) this.#unwritten.delete(position)
    this.#mark = Math.max(this.#mark, mark)
    this.#shares.raise(mark)
    this.#dispatcher.failing.retryClosing()
  }

  /** A write that must succeed as long as the bucket is ours. */
  async #write(change: Partial<Progress> & Pick<Progress, 'fences'>): Promise<void> {
    const { store, service, instance, clock, logger } = this.#core
    for (let wait = 100; ; wait = Math.min(10_000, wait * 2)) {
      try {
        await store.progress({ ...change, service, instance: instance() })
        return
      } catch (error) {
        if (isHodisaError(error, 'lease-lost') || isHodisaError(error, 'app-stopped') || this.#stopped) throw error
        logger.warn(`service ${service}: could not write down a failure, trying again: ${String(error)}`, {
          error: String(error),
        })
        await new Promise<void>((resolve) => clock.after(wait, resolve))
      }
    }
  }

  // ── membership ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #member(): Member {
    const { routes, registry } = this.#core
    return {
      instance: this.#core.instance(),
      patterns: routes.subscriptions().map(({ pattern }) => pattern),
      versions: registry.versions(),
    }
  }

  /** Tries a change by compare-and-set until it goes through, or nothing is to be changed. */
  async #change(decide: (state: GroupState) => plan.Change | Promise<plan.Change>): Promise<boolean> {
    for (;;) {
      const state = await this.#core.store.groups.read(this.service)
      const change = await decide(state)
      if (change === undefined) return false
      if (await this.#core.store.groups.update(this.service, state.revision, change)) return true
    }
  }

  async #join(): Promise<void> {
    const { store, routes, options } = this.#core
    await this.#change(async (state) => {
      const wanted = []
      for (const { pattern, from } of routes.subscriptions()) {
        const place = from ?? (state.revision === 0 ? options.from : 'now')
        wanted.push({ pattern, since: await positionBefore(store, place) })
      }
      return plan.join(state, this.#member(), wanted)
    })
    this.#syncWanted = true
  }

  /** Brings this instance in line with the group: what was lost, what is to be taken, what is to be let go. */
  async #sync(): Promise<void> {
    this.#syncWanted = false
    const { store } = this.#core
    let state = await store.groups.read(this.service)
    const me = this.#core.instance()
    if (!state.members.some(({ instance }) => instance === me)) {
      for (const { bucket } of [...this.#shares.values()]) this.#lose(bucket)
      await this.#join()
      state = await store.groups.read(this.service)
    }
    this.#reconcile(state)
    await this.#letGo()
    const claim = this.#draining ? undefined : plan.claim(this.#state ?? state, this.#member(), this.#stuck)
    if (claim !== undefined) {
      if (!(await store.groups.update(this.service, (this.#state ?? state).revision, claim))) {
        this.#syncWanted = true
        return
      }
      state = await store.groups.read(this.service)
      this.#reconcile(state)
      await this.#take(state)
    }
    const buckets = new Set([...this.#shares.values()].map(({ bucket }) => bucket))
    for (const cursor of await store.groups.cursors(this.service, buckets)) this.#dispatcher.failing.load(cursor)
    this.#offer()
    this.#release()
    await this.#endSubscriptions()
    this.#atEnd = false
    this.#dispatcher.dispatch()
  }

  #reconcile(state: GroupState): void {
    const me = this.#core.instance()
    for (const { bucket, epoch } of [...this.#shares.values()]) {
      const lease = state.leases[bucket]
      if (lease?.owner !== me || lease.epoch !== epoch) this.#lose(bucket)
    }
    const before = this.#state
    this.#state = state
    const changed = JSON.stringify(before?.subscriptions) !== JSON.stringify(state.subscriptions)
    if (!changed) return
    if (before !== undefined) {
      this.#keepFinished()
      this.#shares.rewind(state, this.#window.lowWater(this.#scanned))
    }
    this.#shares.subscribe(state.subscriptions)
    if (before !== undefined) this.#rescan()
  }

  /** Takes the buckets that were just claimed; goes back where one of them is behind. */
  async #take(state: GroupState): Promise<void> {
    const me = this.#core.instance()
    const fresh = state.leases.filter(({ bucket, owner }) => owner === me && this.#shares.get(bucket) === undefined)
    if (fresh.length === 0) return
    const done = await this.#core.store.groups.done(this.service, new Set(fresh.map(({ bucket }) => bucket)))
    const byBucket = Map.groupBy(done, ({ bucket }) => bucket)
    const lowWater = this.#window.lowWater(this.#scanned)
    this.#keepFinished()
    this.#shares.raise(lowWater)
    for (const lease of fresh)
      this.#shares.take(
        lease,
        (byBucket.get(lease.bucket) ?? []).map(({ position }) => position),
      )
    this.#rescan()
  }

  /** Remembers what is finished above the low-water mark, before the window is given up. */
  #keepFinished(): void {
    for (const { status, stored, epoch } of this.#window) {
      const share = this.#shares.get(stored.bucket)
      if (status === 'finished' && share?.epoch === epoch) share.done.add(stored.position)
    }
  }

  /** Reads again from the lowest place where something may be unfinished; what runs goes on. */
  #rescan(): void {
    this.#dispatcher.dropQueued(() => true)
    const running = this.#window.restart()
    this.#queued = running.length
    // What runs is not begun again.
    for (const { stored } of running) this.#shares.get(stored.bucket)?.done.add(stored.position)
    this.#scanned = this.#shares.lowest()
    this.#mark = 0
    this.#atEnd = false
  }

  #lose(bucket: number): void {
    this.#dispatcher.kill(
      new HodisaError('lease-lost', `service ${this.service}: bucket ${bucket} was taken over`, { bucket }),
      bucket,
    )
    this.#pass(bucket)
    this.#shares.drop(bucket)
    this.#dispatcher.failing.drop(bucket)
  }

  /** From here on the entries of a bucket are not ours. */
  #pass(bucket: number): void {
    this.#dispatcher.dropQueued(({ stored }) => stored.bucket === bucket)
    for (const entry of this.#window) if (entry.stored.bucket === bucket) this.#passed(entry)
  }

  // ── letting go ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Offers buckets whose head only others can handle. */
  #offer(): void {
    const others = this.#state?.members.filter(({ instance }) => instance !== this.#core.instance()) ?? []
    for (const { cursor, needs } of this.#dispatcher.failing.values()) {
      if (needs === undefined || !others.some((member) => plan.canHandle(member, needs))) continue
      this.#drain(cursor.bucket, needs)
    }
  }

  /** Begins to let go of what is above the quota. */
  #release(): void {
    if (this.#state === undefined) return
    const kept = [...this.#shares.values()].filter(({ draining }) => draining === undefined)
    const surplus = kept.length - plan.quota(this.#state, this.#core.instance())
    for (const { bucket } of kept.slice(0, Math.max(0, surplus))) this.#drain(bucket, null)
  }

  #drain(bucket: number, needs: plan.Needs | null): void {
    const share = this.#shares.get(bucket)
    if (share === undefined || share.draining !== undefined) return
    share.draining = { needs, scanned: this.#scanned }
    this.#dispatcher.dropQueued(({ stored }) => stored.bucket === bucket)
    this.#syncWanted = true
  }

  #giveUp(bucket: number): void {
    this.#stuck.add(bucket)
    this.#drain(bucket, null)
    this.#rouse()
  }

  /** Hands over the buckets on their way out in which nothing runs any more. */
  async #letGo(): Promise<void> {
    const leaving = [...this.#shares.values()].filter(({ draining }) => draining !== undefined)
    if (leaving.length === 0 || this.#state === undefined) return
    const ready = leaving.filter(({ bucket }) => this.#stuck.has(bucket) || !this.#runs(bucket))
    if (ready.length < leaving.length) this.#flushSoon(FLUSH_AFTER)
    if (ready.length === 0) return
    await this.#flush()
    const handovers = ready.map((share) => this.#shares.handover(share, this.#finishedTo(share)))
    if (await this.#core.store.groups.update(this.service, this.#state.revision, plan.release(handovers))) {
      for (const { bucket } of ready) this.#lose(bucket)
    } else this.#syncWanted = true
    this.#reconcile(await this.#core.store.groups.read(this.service))
  }

  #runs(bucket: number): boolean {
    for (const { stored, status } of this.#window) if (stored.bucket === bucket && status === 'running') return true
    return [...this.#dispatcher.failing.values()].some(({ cursor, lane }) => cursor.bucket === bucket && lane.busy)
  }

  /** Up to where a bucket is finished, to the event. */
  #finishedTo(share: Share): number {
    let finished = share.draining?.scanned ?? this.#scanned
    for (const entry of this.#window) {
      if (entry.stored.bucket === share.bucket && isOpen(entry))
        finished = Math.min(finished, entry.stored.position - 1)
    }
    return Math.max(share.floor, finished)
  }

  async #leave(): Promise<void> {
    try {
      if (this.#state !== undefined && this.#shares.size > 0) await this.#flush()
    } catch (error) {
      if (!isHodisaError(error, 'lease-lost')) throw error
    }
    await this.#change((state) => {
      const mine = [...this.#shares.values()].filter(({ bucket, epoch }) => {
        const lease = state.leases[bucket]
        return lease?.owner === this.#core.instance() && lease.epoch === epoch
      })
      const handovers = mine.map((share) => this.#shares.handover(share, this.#finishedTo(share)))
      return plan.leave(state, this.#core.instance(), handovers)
    })
  }

  async #pause(reason: string): Promise<void> {
    await this.#change((state) => (state.paused === null ? { paused: reason } : undefined))
    this.resync()
  }

  /** A subscription ends when no live instance has announced it for long enough, by this instance's own clock. */
  async #endSubscriptions(): Promise<void> {
    const state = this.#state
    if (state === undefined) return
    const announced = new Set(state.members.flatMap(({ patterns }) => patterns))
    const now = this.#core.clock.monotonic()
    for (const pattern of [...this.#unannounced.keys()]) if (announced.has(pattern)) this.#unannounced.delete(pattern)
    for (const { pattern } of state.subscriptions) {
      if (announced.has(pattern)) continue
      const since = this.#unannounced.get(pattern) ?? now
      this.#unannounced.set(pattern, since)
      if (now - since < this.#core.options.abandonAfter) continue
      this.#core.logger.warn(`service ${this.service}: nobody handles ${pattern} any more; its subscription ends`, {
        pattern,
      })
      await this.#change((fresh) => ({ subscriptions: fresh.subscriptions.filter((one) => one.pattern !== pattern) }))
      this.#syncWanted = true
    }
  }
}

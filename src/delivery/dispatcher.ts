import { type HodisaError, isHodisaError } from '../errors.ts'
import type { Fence, GroupState, GroupUpdate, Progress } from '../store/groups.ts'
import type { AttemptDone, AttemptSubject } from './attempt.ts'
import { Batcher, type BatchMember } from './batcher.ts'
import { Breakers } from './breakers.ts'
import type { ServiceCore } from './core.ts'
import { Executor } from './executor.ts'
import { isDone } from './failing-key.ts'
import { FailingKeys } from './failing-keys.ts'
import type { Guard } from './guard.ts'
import { type Lane, Lanes } from './lanes.ts'
import { isWhole, type OneLane } from './one-lane.ts'
import { CannotHandle } from './parts.ts'
import type { BatchRoute, Route } from './routes.ts'
import type { Share, Shares } from './shares.ts'
import type { Entry } from './window.ts'

/** How long an event of one lane is held that failed where nobody could be asked. Ms. */
const HOLD = 1_000

/** What the dispatcher needs of the runner. */
export interface DispatcherHost {
  readonly shares: Shares
  /** False while paused, stopping, or when the leases are nearly out. */
  mayStart(): boolean
  scanned(): number
  persisted(share: Share): number
  write(change: Partial<Progress> & Pick<Progress, 'fences'>): Promise<void>
  stopService(reason: string): Promise<void>
  giveUp(bucket: number, ended: Promise<unknown>): void
  /** An entry is done; `recorded` where the store knows. */
  finished(entry: Entry, recorded: boolean): void
  /** An entry is not the window's any more: a cursor has it, or it is not ours. */
  passed(entry: Entry): void
  /** Something ended, so that there is room, or the low-water mark may have moved. */
  progressed(): void
  /** Tries a change of the group until it goes through. */
  change(decide: (state: GroupState) => GroupUpdate | undefined): Promise<void>
  /** The group's state is not what was thought. */
  resync(): void
}

/** Takes what was read through the lanes to the handlers: one event of a key at a time, `concurrency` keys at a time. */
export class Dispatcher {
  readonly lanes = new Lanes()
  readonly failing: FailingKeys
  readonly breakers: Breakers
  readonly #core: ServiceCore
  readonly #host: DispatcherHost
  readonly #executor: Executor
  readonly #batcher: Batcher
  #running = 0
  #dispatching = false
  /** An event of the one lane failed, and its time has not come yet. */
  #held = false
  #idle: (() => void)[] = []

  constructor(core: ServiceCore, host: DispatcherHost, guard: Guard) {
    this.#core = core
    this.#host = host
    this.#executor = new Executor(core, guard, host.shares, () => host.mayStart())
    this.breakers = new Breakers(core, {
      free: (lane) => this.#free(lane),
      dispatch: () => this.dispatch(),
      change: (decide) => host.change(decide),
    })
    this.failing = new FailingKeys(core, {
      shares: host.shares,
      lanes: this.lanes,
      executor: this.#executor,
      breaker: (route) => this.breakers.of(route),
      succeeded: (route) => this.breakers.succeeded(route),
      scanned: () => host.scanned(),
      persisted: (share) => host.persisted(share),
      write: (change) => host.write(change),
      stopService: (reason) => host.stopService(reason),
      giveUp: (bucket, ended) => host.giveUp(bucket, ended),
      resync: () => host.resync(),
      passed: (entry) => host.passed(entry),
      mayStart: () => host.mayStart(),
      dispatch: () => this.dispatch(),
    })
    this.#batcher = new Batcher(core.clock, () => this.dispatch())
  }

  /** Handlers that run now. */
  get running(): number {
    return this.#running
  }

  /** Begins whatever may begin. */
  dispatch(): void {
    if (this.#dispatching) return
    this.#dispatching = true
    try {
      while (!this.#held && this.#running < this.#core.options.concurrency && this.#host.mayStart()) {
        const batch = this.#batcher.take()
        if (batch !== undefined) {
          this.#run(this.#runBatch(batch.route, batch.members))
          continue
        }
        const lane = this.lanes.take()
        if (lane === undefined) break
        this.#begin(lane)
      }
    } finally {
      this.#dispatching = false
    }
  }

  /** Looks again at what is on its way out. */
  nudge(): void {
    this.#host.resync()
  }

  /** Ends the attempts at events of a bucket, or all: their contexts are dead from now on. */
  kill(reason: HodisaError, bucket?: number): void {
    this.#executor.kill(reason, (task) => bucket === undefined || task.events.some((event) => event.bucket === bucket))
  }

  /** Forgets what was not begun, by choice. */
  dropQueued(chosen: (entry: Entry) => boolean): Entry[] {
    return [...this.lanes.dropQueued(chosen), ...this.#batcher.drop(chosen, (lane) => this.#free(lane))]
  }

  /** Resolves when no handler runs. */
  idle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #begin(lane: Lane): void {
    const [entry] = lane.queue
    if (entry === undefined) {
      if (lane.failing === undefined) this.lanes.free(lane)
      else this.#run(this.#step(lane, lane.failing))
      return
    }
    const { type, version } = entry.stored
    const route = this.#core.routes.find(type)
    if (route === undefined || !this.#core.registry.canRead(type, version)) {
      lane.queue.shift()
      entry.status = 'running'
      this.#run(this.#fail(lane, entry, undefined, undefined).finally(() => this.#free(lane)))
      return
    }
    if (this.breakers.holds(route, lane)) return
    if (route.mode === 'batch') {
      this.#batcher.add(
        route,
        lane,
        ({ stored }) =>
          this.#core.routes.find(stored.type) === route && this.#core.registry.canRead(stored.type, stored.version),
      )
      return
    }
    lane.queue.shift()
    entry.status = 'running'
    this.breakers.of(route).begin()
    let outcome: AttemptDone | Promise<AttemptDone>
    try {
      outcome = this.#executor.run({
        route,
        events: [entry.stored],
        attempt: 1,
        record: this.#record([entry]),
        onStuck: (ended) => this.#host.giveUp(entry.stored.bucket, ended),
      })
    } catch (error) {
      outcome = Promise.reject(error)
    }
    if (outcome instanceof Promise) this.#run(this.#settle(lane, entry, route, outcome))
    else {
      this.#succeed(entry, route, outcome)
      this.#free(lane)
    }
  }

  /** Counts as running until it settles. */
  #run(work: Promise<void>): void {
    this.#running++
    work
      .catch((error) => {
        this.#core.logger.error(`service ${this.#core.service}: ${String(error)}`, { error: String(error) })
        this.#host.resync()
      })
      .then(() => {
        this.#running--
        if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve()
        this.dispatch()
        this.#host.progressed()
      })
  }

  async #settle(lane: Lane, entry: Entry, route: Route, outcome: Promise<AttemptDone>): Promise<void> {
    try {
      this.#succeed(entry, route, await outcome)
    } catch (error) {
      await this.#fail(lane, entry, route, error)
    } finally {
      this.#free(lane)
    }
  }

  #succeed(entry: Entry, route: Route, { recorded }: AttemptDone): void {
    this.#host.finished(entry, recorded)
    this.breakers.succeeded(route)
  }

  /** A fresh event failed, or cannot be handled here: its key is left to a cursor. */
  async #fail(lane: Lane, entry: Entry, route: Route | undefined, error: unknown): Promise<void> {
    if (route !== undefined && isDone(error, entry.stored)) return this.#succeed(entry, route, { recorded: true })
    const share = this.#host.shares.get(entry.stored.bucket)
    const lost = share === undefined || share.epoch !== entry.epoch
    if (lost || isHodisaError(error, 'lease-lost')) return this.#giveBack(lane, entry, route)
    if (this.#core.oneLane !== undefined) return this.#hold(this.#core.oneLane, lane, entry, route, error)
    const able = !(error instanceof CannotHandle)
    try {
      await this.failing.open(lane, share, entry.stored, able ? route : undefined, error)
    } catch (refused) {
      if (!isHodisaError(refused, 'lease-lost')) throw refused
      return this.#giveBack(lane, entry, route)
    }
    this.#host.passed(entry)
    if (route === undefined) return
    if (able) this.breakers.failed(route, error)
    else this.breakers.letGo(route)
  }

  /** Nothing behind an event of the one lane may pass it. */
  async #hold(oneLane: OneLane, lane: Lane, entry: Entry, route: Route | undefined, error: unknown): Promise<void> {
    this.#held = true
    let wait = HOLD // where the store does not answer
    try {
      wait = await oneLane.failed(error, entry.stored, this.#record([entry], false))
    } catch (refused) {
      const { logger, service } = this.#core
      logger.warn(`${service}: could not write down why it is held: ${String(refused)}`, { error: String(refused) })
    }
    this.#giveBack(lane, entry, route)
    const release = () => {
      this.#held = false
      this.dispatch()
    }
    this.#core.clock.after(wait, release, true)
  }

  /** The attempt says nothing about the event: it begins again, here or with whoever has the bucket. */
  #giveBack(lane: Lane, entry: Entry, route: Route | undefined): void {
    if (this.#host.shares.get(entry.stored.bucket)?.epoch !== entry.epoch) this.#host.passed(entry)
    else {
      entry.status = 'queued'
      lane.queue.push(entry)
      lane.queue.sort((one, other) => one.stored.position - other.stored.position)
    }
    this.#host.resync()
    if (route !== undefined) this.breakers.letGo(route)
  }

  async #step(lane: Lane, failing: NonNullable<Lane['failing']>): Promise<void> {
    try {
      await this.failing.step(failing)
    } catch (error) {
      if (!isHodisaError(error, 'lease-lost')) throw error
      this.#host.resync()
    } finally {
      this.#free(lane)
    }
  }

  #free(lane: Lane): void {
    this.lanes.free(lane)
    if (lane.failing !== undefined && !lane.ready) this.failing.schedule(lane.failing)
  }

  /** Runs a batch and frees its lanes. */
  async #runBatch(route: BatchRoute, members: readonly BatchMember[]): Promise<void> {
    this.breakers.of(route).begin()
    await this.#tryBatch(route, members)
    for (const lane of new Set(members.map((member) => member.lane))) this.#free(lane)
    this.breakers.letGo(route)
  }

  /** False when the attempt said nothing about the events: they were given back. */
  async #tryBatch(route: BatchRoute, members: readonly BatchMember[]): Promise<boolean> {
    const [first, ...rest] = members.filter(({ lane, entry }) => !this.#cursorHas(lane, entry))
    if (first === undefined) return true
    const open = [first, ...rest]
    const isLost = ({ stored, epoch }: Entry) => this.#host.shares.get(stored.bucket)?.epoch !== epoch
    if (!this.#host.mayStart() || open.some(({ entry }) => isLost(entry))) {
      // A half begins when its other half is over: much may have happened since the whole batch began.
      for (const { lane, entry } of open) this.#giveBack(lane, entry, route)
      return false
    }
    const entries = open.map(({ entry }) => entry)
    try {
      const { recorded } = await this.#executor.run({
        route,
        events: [first.entry.stored, ...rest.map(({ entry }) => entry.stored)],
        attempt: 1,
        record: this.#record(entries),
        onStuck: (ended) => {
          for (const { stored } of entries) this.#host.giveUp(stored.bucket, ended)
        },
      })
      for (const entry of entries) this.#succeed(entry, route, { recorded })
      return true
    } catch (error) {
      if (isHodisaError(error, 'lease-lost')) {
        for (const { lane, entry } of open) {
          if (isDone(error, entry.stored)) this.#succeed(entry, route, { recorded: true })
          else this.#giveBack(lane, entry, route)
        }
        return false
      }
      if (rest.length === 0) {
        await this.#fail(first.lane, first.entry, route, error)
        return first.entry.status !== 'queued'
      }
      const middle = Math.ceil(open.length / 2)
      if (await this.#tryBatch(route, open.slice(0, middle))) return this.#tryBatch(route, open.slice(middle))
      for (const { lane, entry } of open.slice(middle)) this.#giveBack(lane, entry, route)
      return false
    }
  }

  /** Whether the key of a batch's event failed in an earlier half, so that a cursor has the event. */
  #cursorHas({ failing }: Lane, entry: Entry): boolean {
    if (failing === undefined || entry.stored.position < failing.cursor.position) return false
    this.#host.passed(entry)
    failing.skippedTo = Math.max(failing.skippedTo, entry.stored.position)
    return true
  }

  /** The done marks of fresh events, with their effects. */
  #record(entries: readonly Entry[], finished = !isWhole(this.#core.oneLane)): AttemptSubject['record'] {
    return async (effects) => {
      const { store, service, instance } = this.#core
      const fences = new Map<number, Fence>()
      for (const { stored, epoch } of entries) fences.set(stored.bucket, { bucket: stored.bucket, epoch })
      const done = entries.map(({ stored }) => ({ bucket: stored.bucket, position: stored.position }))
      const change = { service, instance: instance(), fences: [...fences.values()] }
      // One lane needs no done rows: its mark rises with every event.
      await store.progress(finished ? { ...change, done, once: true } : change, effects)
    }
  }
}

import { isHodisaError } from '../errors.ts'
import { BUCKETS } from '../event/bucket.ts'
import { derivedId } from '../event/id.ts'
import { systemEvents } from '../event/system.ts'
import type { StoredEvent } from '../store/events.ts'
import type { Cursor, CursorChange, FinishedAbove, Progress, StoredDeadLetter } from '../store/groups.ts'
import type { AttemptSubject } from './attempt.ts'
import { backoff } from './backoff.ts'
import type { Breaker } from './breaker.ts'
import type { ServiceCore } from './core.ts'
import { withEdit } from './edits.ts'
import type { Executor } from './executor.ts'
import { isPermanent, storedError } from './failure.ts'
import type { Needs } from './group-plan.ts'
import type { Lane, Lanes } from './lanes.ts'
import type { Route } from './routes.ts'
import type { Share, Shares } from './shares.ts'
import type { Entry } from './window.ts'

/** A key that a cursor drains, in memory. */
export interface FailingKey {
  readonly lane: Lane
  cursor: Cursor
  /** Highest position that the reader left to the cursor. */
  skippedTo: number
  /** Up to where the key was last searched for its head. */
  searchedTo: number
  /** The cursor does not stand yet. */
  idle: boolean
  /** Successes of the handler when the head failed first: more of them mean that it is not an outage. */
  successes: number
  /** Positions of events handled since the cursor was last written. */
  unsaved: number[]
  /** Events of the key that were read and are not finished. */
  ahead: readonly StoredEvent[]
  /** What an operator put in the place of the head's data, as the dead letter keeps it. */
  edited: string | null
  /** What an instance must be able to handle to go on, while this one cannot. */
  needs: Needs | undefined
  /** The cursor is being removed, and the reader feeds the lane again. */
  closing: boolean
  cancelTimer: () => void
}

/** What the keys need of the instance around them. */
export interface FailingKeysHost {
  readonly shares: Shares
  readonly lanes: Lanes
  readonly executor: Executor
  breaker(route: Route): Breaker
  /** A handler succeeded. */
  succeeded(route: Route): void
  /** How far the instance has read. */
  scanned(): number
  /** Up to where the store knows a bucket to be finished. */
  persisted(share: Share): number
  /** Writes progress; retries what may pass; rejects with `lease-lost` when the bucket is somebody else's. */
  write(change: Partial<Progress> & Pick<Progress, 'fences'>): Promise<void>
  /** Pauses the whole service. */
  stopService(reason: string): Promise<void>
  /** False while paused, stopping, or when the leases are nearly out. */
  mayStart(): boolean
  /** Something can be done. */
  dispatch(): void
  giveUp(bucket: number, ended: Promise<unknown>): void
  /** The group is to be looked at. */
  resync(): void
  /** The entry is left to the cursor. */
  passed(entry: Entry): void
}

type Verdict = 'retry' | 'park' | 'skip' | 'stop' | 'full' | 'overruled'

const SAVE_EVERY = 64
/** How soon to go on after the store refused: because the bucket may be lost, or for a reason of its own. Ms. */
const TRY_AGAIN_SOON = 50
const TRY_AGAIN_LATER = 1_000
/** How many events of a key are read ahead while it is drained. */
const AHEAD = 50

/**
 * The keys whose head failed: each has one cursor in the store, is skipped by the reader, and is drained from its cursor on, one
 * event after the other, until it has caught up with the reader.
 */
export class FailingKeys {
  readonly #core: ServiceCore
  readonly #host: FailingKeysHost
  readonly #keys = new Map<string, FailingKey>()
  /** Keys whose cursor this instance has written since `reads`: what was read of them may be older. */
  readonly #written = new Set<string>()
  /** Those that earlier events of their key may have to precede, which the reader has yet to read (again). */
  readonly #behind = new Set<FailingKey>()
  /** How many keys may be parked before those of all instances are counted again: the own part of the room there was. */
  #room = 0

  constructor(core: ServiceCore, host: FailingKeysHost) {
    this.#core = core
    this.#host = host
  }

  values(): IterableIterator<FailingKey> {
    return this.#keys.values()
  }

  /** Whether the reader leaves this event to a cursor. */
  takes(key: string, position: number): boolean {
    if (this.#keys.size === 0) return false
    const failing = this.#keys.get(key)
    if (failing === undefined || failing.closing || position < failing.cursor.position) return false
    failing.skippedTo = Math.max(failing.skippedTo, position)
    this.#rouse(failing)
    return true
  }

  /** A key failed for the first time. Its later events are left to the cursor that this writes. */
  async open(lane: Lane, share: Share, stored: StoredEvent, route: Route | undefined, error: unknown): Promise<void> {
    const before = lane.failing
    const failing = this.#fresh(lane, share, stored, before?.cursor)
    failing.successes = route === undefined ? 0 : this.#host.breaker(route).successes
    if (route === undefined) await this.#wait(failing, share, stored)
    else await this.#fail(failing, share, stored, route, error)
    // Lost while that was written: whoever has the bucket now, this instance again perhaps, goes on from what stands there.
    if (this.#host.shares.get(share.bucket) !== share) return
    if (before !== undefined) {
      // A cursor stood further on: for the length of the lane, or because a pattern was added that begins before it.
      failing.skippedTo = Math.max(failing.skippedTo, before.skippedTo)
      before.cancelTimer()
      this.#behind.delete(before)
    }
    this.#keys.set(lane.key, failing)
    lane.failing = failing
    const own = lane.queue.filter((entry) => entry.stored.position > stored.position)
    lane.queue.splice(0, lane.queue.length, ...lane.queue.filter((entry) => !own.includes(entry)))
    this.#leave(failing, own)
  }

  /**
   * Leaves all but the first events of a long lane to a cursor, so that one busy key does not fill the memory that the others
   * need.
   */
  async defer(lane: Lane, keep: number): Promise<void> {
    const rest = lane.queue.splice(keep)
    const [first] = rest
    const share = first && this.#host.shares.get(first.stored.bucket)
    if (first === undefined || share === undefined) return
    const failing = this.#fresh(lane, share, first.stored, undefined)
    failing.idle = true // until the cursor stands
    this.#keys.set(lane.key, failing)
    lane.failing = failing
    await this.#put(failing, share, failing.cursor)
    this.#leave(failing, rest)
    this.#rouse(failing)
  }

  #fresh(lane: Lane, share: Share, head: StoredEvent, before: Cursor | undefined): FailingKey {
    const now = this.#core.clock.now()
    const cursor: Cursor = {
      key: lane.key,
      bucket: head.bucket,
      position: head.position,
      state: 'retrying',
      attempts: 0,
      firstFailedAt: now,
      nextAttemptAt: 0,
      error: null,
      deadLetter: null,
      finished: joined(this.#host.shares.finishedAbove(share, head.position), before),
    }
    return failingKey(lane, cursor)
  }

  #leave(failing: FailingKey, entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#host.passed(entry)
      failing.skippedTo = Math.max(failing.skippedTo, entry.stored.position)
    }
  }

  /** The cursors are about to be read, to be given to `load`. */
  reads(): void {
    this.#written.clear()
  }

  /** Takes over what the store has for a bucket that was just claimed, or what an operator has changed. */
  load(cursor: Cursor): void {
    // Its bucket was lost, or it was written, while it was read.
    if (this.#host.shares.get(cursor.bucket) === undefined || this.#written.has(cursor.key)) return
    const known = this.#keys.get(cursor.key)
    if (known !== undefined) {
      const changed = cursor.state !== 'parked' || cursor.position !== known.cursor.position
      if (known.cursor.state !== 'parked' || !changed) return
      known.cursor = cursor
      this.schedule(known)
      return
    }
    const lane = this.#host.lanes.get(cursor.key)
    const failing = failingKey(
      lane,
      cursor.state === 'waiting' ? { ...cursor, state: 'retrying', nextAttemptAt: 0 } : cursor,
    )
    failing.successes = Number.MAX_SAFE_INTEGER // set by the next failure: what succeeded before the restart is not known
    this.#keys.set(cursor.key, failing)
    lane.failing = failing
    this.schedule(failing)
  }

  /** Forgets the keys of buckets that are not held any more. */
  drop(bucket: number): void {
    for (const failing of this.#keys.values()) if (failing.cursor.bucket === bucket) this.#remove(failing)
  }

  /** Looks again at heads that nobody here could handle: they may not be wanted any more. */
  reconsider(): void {
    for (const failing of this.#keys.values()) {
      if (failing.cursor.state !== 'waiting') continue
      failing.cursor = { ...failing.cursor, state: 'retrying', nextAttemptAt: 0 }
      this.schedule(failing)
    }
  }

  /** Writes down what the cursors of these buckets have passed, before others go on with them. */
  async save(buckets: ReadonlySet<number>): Promise<void> {
    for (const failing of [...this.#keys.values()]) {
      const share = this.#host.shares.get(failing.cursor.bucket)
      if (share === undefined || !buckets.has(share.bucket) || failing.unsaved.length === 0) continue
      await this.#save(failing, share, null)
    }
  }

  stop(): void {
    for (const failing of this.#keys.values()) failing.cancelTimer()
  }

  /** Does the next thing for a key: its head, or the end of its cursor. The lane is busy meanwhile; `schedule` goes on. */
  async step(failing: FailingKey): Promise<void> {
    try {
      await this.#step(failing)
    } catch (error) {
      // The store refused, and says nothing about the event. Not at once again: it may refuse for a while.
      const wait = isHodisaError(error, 'lease-lost') ? TRY_AGAIN_SOON : TRY_AGAIN_LATER
      failing.cursor = { ...failing.cursor, nextAttemptAt: this.#core.clock.now() + wait }
      throw error
    }
  }

  async #step(failing: FailingKey): Promise<void> {
    const { cursor } = failing
    const share = this.#host.shares.get(cursor.bucket)
    if (share === undefined || share.draining !== undefined || cursor.state !== 'retrying') return
    if (this.#isAhead(cursor)) return // reading went back meanwhile
    if (cursor.nextAttemptAt > this.#core.clock.now()) return
    const head = await this.#head(failing, share)
    if (head === undefined) return this.#close(failing, share)
    if (head.position !== cursor.position) failing.cursor = at(cursor, head.position)
    failing.needs = undefined
    failing.edited = null
    if (failing.cursor.deadLetter !== null && (await this.#isGivenUp(failing, head))) {
      return this.#advance(failing, share, head, 'given-up')
    }
    const route = this.#core.routes.find(head.type)
    const { type, version } = withEdit(head, failing.edited)
    if (route === undefined || !this.#core.registry.canRead(type, version)) {
      await this.#wait(failing, share, { ...head, version })
      return
    }
    // Much may have happened while the store was asked: the share may be lost, the app may have stopped.
    if (this.#host.shares.get(cursor.bucket) !== share || !this.#host.mayStart()) return
    await this.#attempt(failing, share, head, route)
  }

  async #attempt(failing: FailingKey, share: Share, head: StoredEvent, route: Route): Promise<void> {
    const { attempts } = failing.cursor
    let recorded = true
    try {
      const done = await this.#host.executor.run({
        route,
        events: [withEdit(head, failing.edited)],
        attempt: attempts + 1,
        record: this.#record(failing, share, head),
        onStuck: (ended) => this.#host.giveUp(share.bucket, ended),
      })
      recorded = done.recorded
    } catch (error) {
      if (!isDone(error, head)) {
        if (isHodisaError(error, 'lease-lost')) throw error
        const { successes } = this.#host.breaker(route)
        if (failing.successes === Number.MAX_SAFE_INTEGER || attempts === 0) failing.successes = successes
        return this.#fail(failing, share, head, route, error)
      }
    }
    this.#host.succeeded(route)
    await this.#advance(failing, share, head, recorded ? 'recorded' : 'handled')
  }

  /** The head is done: the cursor passes it, and is written where it must be. */
  async #advance(
    failing: FailingKey,
    share: Share,
    head: StoredEvent,
    how: 'recorded' | 'handled' | 'given-up',
  ): Promise<void> {
    const { attempts, deadLetter } = failing.cursor
    failing.cursor = at(failing.cursor, head.position + 1)
    failing.ahead = failing.ahead.filter(({ position }) => position > head.position)
    // When other buckets are claimed, reading may go back below the cursor, which says nothing about what it has passed.
    if (head.position > share.floor) share.done.add(head.position)
    if (how === 'recorded') {
      failing.unsaved = []
      return
    }
    failing.unsaved.push(head.position)
    if (attempts > 0 || deadLetter !== null || failing.unsaved.length >= SAVE_EVERY) {
      await this.#save(failing, share, how === 'handled' ? deadLetter : null)
    }
  }

  /** The done mark of a head is its cursor's advance, in the effect's own transaction. */
  #record(failing: FailingKey, share: Share, head: StoredEvent): AttemptSubject['record'] {
    const { deadLetter } = failing.cursor
    return async (effects) => {
      const { store, service, instance } = this.#core
      const change = {
        service,
        instance: instance(),
        fences: [share],
        done: [...this.#doneRows(failing, share), { bucket: share.bucket, position: head.position }],
        once: true,
        cursors: [{ put: at(failing.cursor, head.position + 1) }],
        ...(deadLetter !== null && { deadLetters: [{ remove: deadLetter }] }),
      }
      await store.progress(change, effects)
      this.#wrote(failing, share)
    }
  }

  async #save(failing: FailingKey, share: Share, deadLetter: string | null): Promise<void> {
    await this.#host.write({
      fences: [share],
      done: this.#doneRows(failing, share),
      cursors: [{ put: failing.cursor }],
      ...(deadLetter !== null && { deadLetters: [{ remove: deadLetter }] }),
    })
    this.#wrote(failing, share)
    failing.unsaved = []
  }

  /** A write of a share that was lost meanwhile says nothing about what is read of the bucket now. */
  #wrote({ lane }: FailingKey, share: Share): void {
    if (this.#host.shares.get(share.bucket) === share) this.#written.add(lane.key)
  }

  /** Done rows of what the mark has not passed. */
  #doneRows({ unsaved }: FailingKey, share: Share): { bucket: number; position: number }[] {
    const persisted = this.#host.persisted(share)
    return unsaved.filter((position) => position > persisted).map((position) => ({ bucket: share.bucket, position }))
  }

  /** Writes down a failed attempt, and what follows from it. */
  async #fail(failing: FailingKey, share: Share, head: StoredEvent, route: Route, error: unknown): Promise<void> {
    const { clock, logger, options, random, service } = this.#core
    const now = clock.now()
    failing.ahead = [] // many keys may fail at once
    const attempts = failing.cursor.attempts + 1
    const stored = storedError(error)
    // A clock that was set back must not make patience last for all that time.
    const firstFailedAt = attempts === 1 ? now : Math.min(now, failing.cursor.firstFailedAt)
    const othersSucceed = this.#host.breaker(route).successes > failing.successes
    const verdict = await this.#checked(this.#verdict(attempts, firstFailedAt, error, othersSucceed), failing, head)
    const said = { service, id: head.id, type: head.type, key: failing.lane.key, attempts, error: stored.message }
    const nextAttemptAt = now + backoff(attempts, options.retry, random)
    const cursor: Cursor = {
      ...failing.cursor,
      position: head.position,
      attempts,
      firstFailedAt,
      nextAttemptAt,
      error: stored,
    }
    if (verdict === 'overruled') return this.#put(failing, share, { ...failing.cursor, attempts: 0, nextAttemptAt: 0 })
    if (verdict === 'retry' || verdict === 'stop' || verdict === 'full') {
      logger[verdict === 'retry' ? 'info' : 'error'](`service ${service}: ${head.type} failed`, said)
      await this.#put(failing, share, { ...cursor, state: 'retrying' })
      if (verdict === 'retry') return
      const reason = `${head.type} ${head.id} failed ${attempts} times: ${stored.message}`
      const full = `${options.maxParked} keys are parked, and that is maxParked: redrive or skip dead letters, then resume`
      await this.#host.stopService(verdict === 'full' ? `${full}. ${reason}` : reason)
      return
    }
    logger.error(
      `service ${service}: gave up on ${head.type} and ${verdict === 'park' ? 'parked' : 'skipped'} it`,
      said,
    )
    const letter = this.#letter(failing, head, { ...cursor, error: stored }, verdict === 'park' ? 'parked' : 'skipped')
    if (verdict === 'skip') failing.unsaved.push(head.position)
    const next: Cursor =
      verdict === 'park' ? { ...cursor, state: 'parked', deadLetter: letter.id } : at(cursor, head.position + 1)
    await this.#put(failing, share, next, letter)
    await this.#announce(letter, head)
  }

  #announce(letter: StoredDeadLetter, { id, type, correlationId }: StoredEvent): Promise<void> {
    const { service, key, position, attempts, parkedAt, state } = letter
    const { name, message, code } = letter.error
    const error = { name, message, ...(code !== undefined && { code }) }
    const say = state === 'parked' ? systemEvents.eventParked : systemEvents.eventSkipped
    const event = say({ service, eventId: id, type, key, position, attempts, error, deadLetter: letter.id })
    return this.#core.system.say(event, { about: type, once: [letter.id, parkedAt], correlationId, causationId: id })
  }

  #verdict(attempts: number, firstFailedAt: number, error: unknown, othersSucceed: boolean): Verdict {
    const { options, clock } = this.#core
    const hopeless =
      isPermanent(error) ||
      (attempts >= options.retry.attempts && (othersSucceed || clock.now() - firstFailedAt >= options.patience))
    return hopeless ? options.poison : 'retry'
  }

  /** What comes of a verdict: only so many keys are parked, and an operator may have decided while the attempt ran. */
  async #checked(verdict: Verdict, failing: FailingKey, head: StoredEvent): Promise<Verdict> {
    if (verdict !== 'park' && verdict !== 'skip') return verdict
    const { edited, cursor } = failing
    if (cursor.deadLetter !== null && ((await this.#isGivenUp(failing, head)) || failing.edited !== edited)) {
      return 'overruled'
    }
    if (verdict === 'skip') return verdict
    if (this.#room > 0) {
      this.#room--
      return 'park'
    }
    const { store, service, options } = this.#core
    // A store that does not answer now must not keep the event from being parked.
    const counted = await store.groups.progress(service).catch(() => undefined)
    const room = counted === undefined ? 1 : options.maxParked - counted.cursors.parked
    this.#room = Math.floor(Math.max(0, room - 1) / BUCKETS)
    return room > 0 ? 'park' : 'full'
  }

  #letter(
    failing: FailingKey,
    head: StoredEvent,
    { attempts, error, firstFailedAt }: Cursor & { error: NonNullable<Cursor['error']> },
    state: StoredDeadLetter['state'],
  ): StoredDeadLetter {
    const { service, clock } = this.#core
    return {
      id: failing.cursor.deadLetter ?? derivedId('dead', service, head.id),
      service,
      key: failing.lane.key,
      bucket: head.bucket,
      position: head.position,
      eventId: head.id,
      type: head.type,
      state,
      attempts,
      error,
      firstFailedAt,
      parkedAt: clock.now(),
      edited: failing.edited,
    }
  }

  /** Nobody here can handle the head: it waits, and the bucket is offered to an instance that can. */
  async #wait(failing: FailingKey, share: Share, { id, type, version, position }: StoredEvent): Promise<void> {
    const { logger, service } = this.#core
    logger.warn(
      `service ${service}: cannot handle ${type} version ${version}; its key waits for an instance that can`,
      { id },
    )
    failing.needs = { type, version }
    await this.#put(failing, share, { ...failing.cursor, position, state: 'waiting' })
    this.#host.resync() // to offer the bucket
  }

  async #put(failing: FailingKey, share: Share, cursor: Cursor, letter?: StoredDeadLetter): Promise<void> {
    const cursors: CursorChange[] = [{ put: cursor }]
    await this.#host.write({
      fences: [share],
      done: this.#doneRows(failing, share),
      cursors,
      ...(letter !== undefined && { deadLetters: [{ put: letter }] }),
    })
    this.#wrote(failing, share)
    for (const position of failing.unsaved) if (position > share.floor) share.done.add(position)
    failing.cursor = cursor
    failing.unsaved = []
  }

  /** The first event of the key, from the cursor on, that is still to be handled. */
  async #head(failing: FailingKey, share: Share): Promise<StoredEvent | undefined> {
    const { shares } = this.#host
    const { position } = failing.cursor
    const { finished } = failing.cursor
    const isOpen = (event: StoredEvent) =>
      event.position >= position &&
      shares.isWanted(event) &&
      !(finished !== null && shares.isAmong(finished, event)) &&
      !share.done.has(event.position)
    const known = failing.ahead.findIndex(isOpen)
    if (known >= 0) {
      failing.ahead = failing.ahead.slice(known) // the head too: it may have to be begun again
      return failing.ahead[0]
    }
    // What the reader left to the cursor is the cursor's, also where reading has gone back since.
    const until = Math.max(this.#host.scanned(), share.floor, failing.skippedTo)
    let after = Math.max(position - 1, failing.ahead.at(-1)?.position ?? 0)
    failing.ahead = []
    while (after < until) {
      const page = await this.#core.store.readLog({ key: failing.lane.key, after, until, limit: AHEAD })
      const first = page.events.findIndex(isOpen)
      if (first >= 0) {
        failing.ahead = page.events.slice(first)
        return failing.ahead[0]
      }
      if (page.end) break
      after = page.scanned
    }
    failing.searchedTo = until
    return undefined
  }

  /** Ends the cursor once the key has caught up with the reader. */
  async #close(failing: FailingKey, share: Share): Promise<void> {
    if (failing.skippedTo > failing.searchedTo) return // read on meanwhile: search again
    failing.closing = true // from here on the reader feeds the lane, which is busy until the cursor is gone
    const done = this.#doneRows(failing, share) // without the cursor only they tell what it did above the mark
    await this.#host.write({ fences: [share], done, cursors: [{ remove: failing.lane.key }] })
    this.#wrote(failing, share)
    this.#remove(failing)
  }

  #remove(failing: FailingKey): void {
    this.#behind.delete(failing)
    failing.cancelTimer()
    if (this.#keys.get(failing.lane.key) === failing) this.#keys.delete(failing.lane.key)
    if (failing.lane.failing === failing) failing.lane.failing = undefined
    this.#host.lanes.tidy(failing.lane)
  }

  /** Lets the key go on when it is time. Its lane must be free. */
  schedule(failing: FailingKey): void {
    failing.cancelTimer()
    const { cursor, lane } = failing
    if (cursor.state !== 'retrying' || failing.idle || this.#keys.get(lane.key) !== failing) return
    const share = this.#host.shares.get(cursor.bucket)
    if (share === undefined || share.draining !== undefined) return
    if (this.#isAhead(cursor)) {
      this.#behind.add(failing)
      return
    }
    // A clock that was set back must not make a retry wait for all that time.
    const latest = this.#core.clock.now() + Math.max(this.#core.options.retry.max, TRY_AGAIN_LATER)
    if (cursor.nextAttemptAt > latest) failing.cursor = { ...cursor, nextAttemptAt: latest }
    const wait = failing.cursor.nextAttemptAt - this.#core.clock.now()
    if (wait > 0) failing.cancelTimer = this.#core.clock.after(wait, () => this.schedule(failing))
    else {
      this.#host.lanes.offer(failing.lane)
      this.#host.dispatch()
    }
  }

  /** The reader has read on: keys that waited for it go on, behind what it has put into their lanes. */
  readOn(): void {
    for (const failing of this.#behind) {
      if (this.#isAhead(failing.cursor)) continue
      this.#behind.delete(failing)
      this.schedule(failing)
    }
  }

  #isAhead({ position }: Cursor): boolean {
    return this.#host.scanned() < position - 1
  }

  #rouse(failing: FailingKey): void {
    if (!failing.idle) return
    failing.idle = false
    this.schedule(failing)
  }

  /** Whether an operator has skipped or dropped the head. */
  async #isGivenUp(failing: FailingKey, { position }: StoredEvent): Promise<boolean> {
    const { deadLetter } = failing.cursor
    const letter = deadLetter === null ? undefined : await this.#core.store.deadLetters.get(deadLetter)
    if (letter !== undefined && letter.position !== position) return false
    failing.edited = letter?.edited ?? null
    return letter === undefined || letter.state === 'skipped'
  }
}

/** Whether an attempt was refused because the event is done: its effects were recorded by an attempt that did not hear of it. */
export function isDone(error: unknown, { position }: StoredEvent): boolean {
  return isHodisaError(error, 'lease-lost') && error.details.position === position
}

function failingKey(lane: Lane, cursor: Cursor): FailingKey {
  return {
    lane,
    cursor,
    skippedTo: cursor.position,
    searchedTo: 0,
    idle: false,
    successes: 0,
    unsaved: [],
    ahead: [],
    edited: null,
    needs: undefined,
    closing: false,
    cancelTimer: () => undefined,
  }
}

/** What is finished above a new cursor that takes the place of one further on, from which on only that one knows. */
function joined(above: FinishedAbove | null, before: Cursor | undefined): FinishedAbove | null {
  if (before === undefined) return above
  if (above === null) return before.finished
  const until = new Map(above.patterns.map((one) => [one.pattern, Math.min(one.until, before.position - 1)]))
  for (const one of before.finished?.patterns ?? [])
    until.set(one.pattern, Math.max(one.until, until.get(one.pattern) ?? 0))
  return {
    patterns: [...until].map(([pattern, position]) => ({ pattern, until: position })),
    positions: [
      ...above.positions.filter((position) => position < before.position),
      ...(before.finished?.positions ?? []),
    ],
  }
}

/** The cursor further on: the next event of the key starts afresh. */
function at(cursor: Cursor, position: number): Cursor {
  return { ...cursor, position, state: 'retrying', attempts: 0, nextAttemptAt: 0, error: null, deadLetter: null }
}

import { isHodisaError } from '../errors.ts'
import { derivedId } from '../event/id.ts'
import type { StoredEvent } from '../store/events.ts'
import type { Cursor, CursorChange, Progress, StoredDeadLetter } from '../store/groups.ts'
import type { AttemptHost } from './attempt.ts'
import { backoff } from './backoff.ts'
import type { Breaker } from './breaker.ts'
import type { ServiceCore } from './core.ts'
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
  /** Nothing is left to do but for the mark to pass what the cursor did. */
  idle: boolean
  /** Below it, what the subscriptions say is finished is finished; from it on, only the cursor knows. */
  readonly from: number
  /** Successes of the handler when the head failed first: more of them mean that it is not an outage. */
  successes: number
  /** Events handled since the cursor was last written. */
  unsaved: number
  /** Events of the key that were read and not begun. */
  ahead: readonly StoredEvent[]
  /** What an operator put in the place of the head's data: JSON text. */
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
  /** How far the instance has read. */
  scanned(): number
  /** Up to where the store knows a bucket to be finished. */
  persisted(share: Share): number
  /** Writes progress; retries what may pass; rejects with `lease-lost` when the bucket is somebody else's. */
  write(change: Partial<Progress> & Pick<Progress, 'fences'>): Promise<void>
  /** Pauses the whole service. */
  stopService(reason: string): Promise<void>
  /** Something can be done. */
  dispatch(): void
  giveUp(bucket: number): void
  /** The entry is left to the cursor. */
  passed(entry: Entry): void
}

type Verdict = 'retry' | 'park' | 'skip' | 'stop'

const SAVE_EVERY = 64
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
    const failing = this.#fresh(lane, stored)
    failing.successes = route === undefined ? 0 : this.#host.breaker(route).successes
    if (route === undefined) await this.#wait(failing, share, stored)
    else await this.#fail(failing, share, stored, route, error)
    failing.skippedTo = Math.max(failing.skippedTo, lane.failing?.skippedTo ?? 0) // of a cursor it had for its length
    lane.failing?.cancelTimer()
    this.#keys.set(lane.key, failing)
    lane.failing = failing
    this.#leave(failing, lane.queue.splice(0))
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
    const failing = this.#fresh(lane, first.stored)
    failing.idle = true // until the cursor stands
    this.#keys.set(lane.key, failing)
    lane.failing = failing
    await this.#put(failing, share, failing.cursor)
    this.#leave(failing, rest)
    this.#rouse(failing)
  }

  #fresh(lane: Lane, head: StoredEvent): FailingKey {
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
    }
    return failingKey(lane, cursor)
  }

  #leave(failing: FailingKey, entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#host.passed(entry)
      failing.skippedTo = Math.max(failing.skippedTo, entry.stored.position)
    }
  }

  /** Takes over what the store has for a bucket that was just claimed, or what an operator has changed. */
  load(cursor: Cursor): void {
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

  /** Looks again at keys that only waited for the mark to pass them. */
  retryClosing(): void {
    for (const failing of this.#keys.values()) this.#rouse(failing)
  }

  stop(): void {
    for (const failing of this.#keys.values()) failing.cancelTimer()
  }

  /** Does the next thing for a key: its head, or the end of its cursor. The lane is busy meanwhile; `schedule` goes on. */
  async step(failing: FailingKey): Promise<void> {
    const { cursor } = failing
    const share = this.#host.shares.get(cursor.bucket)
    if (share === undefined || share.draining !== undefined || cursor.state !== 'retrying') return
    if (cursor.nextAttemptAt > this.#core.clock.now()) return
    const head = await this.#head(failing, share)
    if (head === undefined) return this.#close(failing, share)
    if (head.position !== cursor.position) failing.cursor = { ...cursor, position: head.position }
    const route = this.#core.routes.find(head.type)
    if (route === undefined || !this.#core.registry.canRead(head.type, head.version)) {
      await this.#wait(failing, share, head)
      return
    }
    await this.#attempt(failing, share, head, route)
  }

  async #attempt(failing: FailingKey, share: Share, head: StoredEvent, route: Route): Promise<void> {
    const before = failing.cursor
    const breaker = this.#host.breaker(route)
    try {
      const stored = await this.#withEdit(failing, head)
      const { recorded } = await this.#host.executor.run({
        route,
        events: [stored],
        attempt: before.attempts + 1,
        record: this.#record(failing, share, head),
        onStuck: () => this.#host.giveUp(share.bucket),
      })
      failing.cursor = passed(before, head)
      breaker.succeed()
      if (recorded) failing.unsaved = 0
      else if (before.attempts > 0 || before.deadLetter !== null || ++failing.unsaved >= SAVE_EVERY) {
        await this.#save(failing, share, before.deadLetter)
      }
    } catch (error) {
      if (isHodisaError(error, 'lease-lost')) throw error
      if (failing.successes === Number.MAX_SAFE_INTEGER || before.attempts === 0) failing.successes = breaker.successes
      await this.#fail(failing, share, head, route, error)
    }
  }

  /** The done mark of a head is its cursor's advance, in the effect's own transaction. */
  #record(failing: FailingKey, share: Share, head: StoredEvent): AttemptHost['record'] {
    const { deadLetter } = failing.cursor
    return async (effects) => {
      const { store, service, instance } = this.#core
      const change = {
        service,
        instance: instance(),
        fences: [share],
        cursors: [{ put: passed(failing.cursor, head) }],
        ...(deadLetter !== null && { deadLetters: [{ remove: deadLetter }] }),
      }
      await store.progress(change, effects)
    }
  }

  async #save(failing: FailingKey, share: Share, deadLetter: string | null): Promise<void> {
    await this.#host.write({
      fences: [share],
      cursors: [{ put: failing.cursor }],
      ...(deadLetter !== null && { deadLetters: [{ remove: deadLetter }] }),
    })
    failing.unsaved = 0
  }

  /** Writes down a failed attempt, and what follows from it. */
  async #fail(failing: FailingKey, share: Share, head: StoredEvent, route: Route, error: unknown): Promise<void> {
    const { clock, logger, options, random, service } = this.#core
    const now = clock.now()
    failing.ahead = [] // many keys may fail at once
    const attempts = failing.cursor.attempts + 1
    const stored = storedError(error)
    const firstFailedAt = attempts === 1 ? now : failing.cursor.firstFailedAt
    const verdict = this.#verdict(
      attempts,
      firstFailedAt,
      error,
      this.#host.breaker(route).successes > failing.successes,
    )
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
    if (verdict === 'retry' || verdict === 'stop') {
      logger[verdict === 'stop' ? 'error' : 'info'](`service ${service}: ${head.type} failed`, said)
      await this.#put(failing, share, { ...cursor, state: 'retrying' })
      if (verdict === 'stop')
        await this.#host.stopService(`${head.type} ${head.id} failed ${attempts} times: ${stored.message}`)
      return
    }
    logger.error(
      `service ${service}: gave up on ${head.type} and ${verdict === 'park' ? 'parked' : 'skipped'} it`,
      said,
    )
    const letter = this.#letter(failing, head, { ...cursor, error: stored }, verdict === 'park' ? 'parked' : 'skipped')
    const next: Cursor =
      verdict === 'park' ? { ...cursor, state: 'parked', deadLetter: letter.id } : passed(cursor, head)
    await this.#put(failing, share, next, letter)
  }

  #verdict(attempts: number, firstFailedAt: number, error: unknown, othersSucceed: boolean): Verdict {
    const { options, clock } = this.#core
    const hopeless =
      isPermanent(error) ||
      (attempts >= options.retry.attempts && (othersSucceed || clock.now() - firstFailedAt >= options.patience))
    return hopeless ? options.poison : 'retry'
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
  }

  async #put(failing: FailingKey, share: Share, cursor: Cursor, letter?: StoredDeadLetter): Promise<void> {
    const cursors: CursorChange[] = [{ put: cursor }]
    await this.#host.write({
      fences: [share],
      cursors,
      ...(letter !== undefined && { deadLetters: [{ put: letter }] }),
    })
    failing.cursor = cursor
    failing.unsaved = 0
  }

  /** The first event of the key, from the cursor on, that is still to be handled. */
  async #head(failing: FailingKey, share: Share): Promise<StoredEvent | undefined> {
    const { shares } = this.#host
    const { position } = failing.cursor
    const isOpen = (event: StoredEvent) =>
      event.position >= position &&
      (event.position < failing.from ? shares.isOpen(share, event) : shares.isWanted(event))
    const known = failing.ahead.findIndex(isOpen)
    if (known >= 0) {
      const head = failing.ahead[known]
      failing.ahead = failing.ahead.slice(known + 1)
      return head
    }
    const until = Math.max(this.#host.scanned(), share.floor)
    let after = Math.max(position - 1, failing.ahead.at(-1)?.position ?? 0)
    failing.ahead = []
    while (after < until) {
      const page = await this.#core.store.readLog({ key: failing.lane.key, after, until, limit: AHEAD })
      const first = page.events.findIndex(isOpen)
      if (first >= 0) {
        failing.ahead = page.events.slice(first + 1)
        return page.events[first]
      }
      if (page.end) break
      after = page.scanned
    }
    failing.searchedTo = until
    return undefined
  }

  /** Ends the cursor once the key has caught up with the reader, and the mark with the key. */
  async #close(failing: FailingKey, share: Share): Promise<void> {
    if (failing.skippedTo > failing.searchedTo) return // read on meanwhile: search again
    // The mark must have passed what the cursor did: without the cursor only the mark tells that it is done.
    if (this.#host.persisted(share) < failing.cursor.position - 1) {
      if (failing.unsaved > 0) await this.#save(failing, share, null)
      failing.idle = failing.skippedTo <= failing.searchedTo
      return
    }
    failing.closing = true // from here on the reader feeds the lane, which is busy until the cursor is gone
    await this.#host.write({ fences: [share], cursors: [{ remove: failing.lane.key }] })
    this.#remove(failing)
  }

  #remove(failing: FailingKey): void {
    failing.cancelTimer()
    this.#keys.delete(failing.lane.key)
    if (failing.lane.failing === failing) failing.lane.failing = undefined
  }

  /** Lets the key go on when it is time. Its lane must be free. */
  schedule(failing: FailingKey): void {
    failing.cancelTimer()
    if (failing.cursor.state !== 'retrying' || failing.idle || this.#keys.get(failing.lane.key) !== failing) return
    if (this.#host.shares.get(failing.cursor.bucket)?.draining !== undefined) return
    const wait = failing.cursor.nextAttemptAt - this.#core.clock.now()
    if (wait > 0) failing.cancelTimer = this.#core.clock.after(wait, () => this.schedule(failing))
    else {
      this.#host.lanes.offer(failing.lane)
      this.#host.dispatch()
    }
  }

  #rouse(failing: FailingKey): void {
    if (!failing.idle) return
    failing.idle = false
    this.schedule(failing)
  }

  async #withEdit(failing: FailingKey, head: StoredEvent): Promise<StoredEvent> {
    const { deadLetter } = failing.cursor
    failing.edited = null
    if (deadLetter === null) return head
    const letter = await this.#core.store.deadLetters.get(deadLetter)
    failing.edited = letter?.edited ?? null
    if (failing.edited === null) return head
    // What an operator edits is the event as shown: already at the current version.
    const version = this.#core.registry.get(head.type)?.version ?? head.version
    return { ...head, data: failing.edited, encoding: null, version }
  }
}

function failingKey(lane: Lane, cursor: Cursor): FailingKey {
  return {
    lane,
    cursor,
    skippedTo: cursor.position,
    searchedTo: 0,
    idle: false,
    from: cursor.position,
    successes: 0,
    unsaved: 0,
    ahead: [],
    edited: null,
    needs: undefined,
    closing: false,
    cancelTimer: () => undefined,
  }
}

/** The cursor after its head: the next event of the key starts afresh. */
function passed(cursor: Cursor, head: StoredEvent): Cursor {
  return {
    ...cursor,
    position: head.position + 1,
    state: 'retrying',
    attempts: 0,
    nextAttemptAt: 0,
    error: null,
    deadLetter: null,
  }
}

import { isHodisaError } from '../errors.ts'
import type { StoredEvent } from '../store/events.ts'
import type { Cursor } from '../store/groups.ts'
import type { ServiceCore } from './core.ts'
import { CursorWriter } from './cursor-writer.ts'
import { withEdit } from './edits.ts'
import { at, type FailingKey, type FailingKeysHost, failingKey, isDone, joined } from './failing-key.ts'
import type { Lane } from './lanes.ts'
import { CannotHandle } from './parts.ts'
import type { Route } from './routes.ts'
import type { Share } from './shares.ts'
import { Verdicts } from './verdicts.ts'
import type { Entry } from './window.ts'

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
  readonly #writer: CursorWriter
  readonly #verdicts: Verdicts
  /** Those that earlier events of their key may have to precede, which the reader has yet to read (again). */
  readonly #behind = new Set<FailingKey>()

  constructor(core: ServiceCore, host: FailingKeysHost) {
    this.#core = core
    this.#host = host
    this.#writer = new CursorWriter(core, host)
    this.#verdicts = new Verdicts(core, host, this.#writer)
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
    if (route === undefined) await this.#verdicts.wait(failing, share, neededBy(stored, error))
    else await this.#verdicts.fail(failing, share, stored, route, error)
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
    await this.#writer.put(failing, share, failing.cursor)
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
    this.#writer.reads()
  }

  /** Takes over what the store has for a bucket that was just claimed, or what an operator has changed. */
  load(cursor: Cursor): void {
    // Its bucket was lost, or it was written, while it was read.
    if (this.#host.shares.get(cursor.bucket) === undefined || this.#writer.hasWritten(cursor.key)) return
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
      await this.#writer.save(failing, share, null)
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
    if (failing.cursor.deadLetter !== null && (await this.#verdicts.isGivenUp(failing, head))) {
      return this.#advance(failing, share, head, 'given-up')
    }
    const route = this.#core.routes.find(head.type)
    const { type, version } = withEdit(head, failing.edited)
    if (route === undefined || !this.#core.registry.canRead(type, version)) {
      await this.#verdicts.wait(failing, share, { ...head, version })
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
        record: this.#writer.record(failing, share, head),
        onStuck: (ended) => this.#host.giveUp(share.bucket, ended),
      })
      recorded = done.recorded
    } catch (error) {
      if (!isDone(error, head)) {
        if (isHodisaError(error, 'lease-lost')) throw error
        if (error instanceof CannotHandle) return this.#verdicts.wait(failing, share, neededBy(head, error))
        const { successes } = this.#host.breaker(route)
        if (failing.successes === Number.MAX_SAFE_INTEGER || attempts === 0) failing.successes = successes
        return this.#verdicts.fail(failing, share, head, route, error)
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
      await this.#writer.save(failing, share, how === 'handled' ? deadLetter : null)
    }
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
    await this.#writer.remove(failing, share)
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
}

/** The event, or the part of it, that somebody has to be able to handle. */
function neededBy(stored: StoredEvent, error: unknown): StoredEvent {
  return error instanceof CannotHandle ? { ...stored, ...error.needs } : stored
}

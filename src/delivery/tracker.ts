import type { Fence, GroupState } from '../store/groups.ts'
import type { ServiceCore } from './core.ts'
import type { Share, Shares } from './shares.ts'
import { type Entry, isOpen, Window } from './window.ts'

/** How many entries may stand above the low-water mark. */
const LONGEST_WINDOW = 20_000
/** How long finished events may wait until the store is told, and a mark that passed nothing of ours. Ms. */
const FLUSH_AFTER = 25
const FLUSH_SCANNED_AFTER = 1_000
/** A flush that took longer counts as this long. Ms. */
const SLOWEST_FLUSH = 25

/** Keeps count of what is open, and tells the store how far the instance is: its mark, and what is finished above it. */
export class Tracker {
  readonly #core: ServiceCore
  readonly #shares: Shares
  readonly #due: () => void
  readonly #window = new Window()
  /** Positions that are finished and not written yet, with the share they were finished in; the events may be forgotten. */
  readonly #unwritten = new Map<number, Share>()
  #open = 0
  #mark = 0
  #flushAt = Number.POSITIVE_INFINITY
  #flushDue = false
  #flushTook = 0
  #cancelFlush: () => void = () => undefined
  /** Everything up to here was read. */
  scanned = 0

  /** @param due called when a flush is due */
  constructor(core: ServiceCore, shares: Shares, due: () => void) {
    this.#core = core
    this.#shares = shares
    this.#due = due
  }

  /** Events that were read and are not finished. */
  get open(): number {
    return this.#open
  }

  get isFull(): boolean {
    return this.#window.size >= LONGEST_WINDOW
  }

  get flushIsDue(): boolean {
    return this.#flushDue
  }

  /** The highest mark that the store has of this instance. */
  get mark(): number {
    return this.#mark
  }

  add(entry: Entry): void {
    this.#window.push(entry)
    this.#open++
  }

  finished(entry: Entry, recorded: boolean): void {
    if (!isOpen(entry)) return
    entry.status = 'finished'
    this.#open--
    const { bucket, position } = entry.stored
    const share = this.#shares.get(bucket)
    if (share?.epoch === entry.epoch) {
      if (share.begun.delete(position)) share.done.add(position)
      if (!recorded) this.#unwritten.set(position, share)
    }
    this.flushWithin(FLUSH_AFTER)
  }

  /** The entry is not ours to finish any more. */
  passed(entry: Entry): void {
    if (!isOpen(entry)) return
    entry.status = 'passed'
    this.#open--
    this.flushWithin(FLUSH_AFTER)
  }

  passBucket(bucket: number): void {
    for (const entry of this.#window) if (entry.stored.bucket === bucket) this.passed(entry)
  }

  hasRead(position: number): void {
    this.scanned = position
    this.flushWithin(FLUSH_SCANNED_AFTER)
  }

  /** Everything at or below is finished. Lets go of what was finished there. */
  lowWater(): number {
    return this.#window.lowWater(this.scanned)
  }

  runs(bucket: number): boolean {
    for (const { stored, status } of this.#window) if (stored.bucket === bucket && status === 'running') return true
    return false
  }

  /** Up to where a bucket is finished, to the event. */
  finishedTo(share: Share): number {
    let finished = share.draining?.scanned ?? this.scanned
    for (const entry of this.#window) {
      if (entry.stored.bucket === share.bucket && isOpen(entry))
        finished = Math.min(finished, entry.stored.position - 1)
    }
    return Math.max(share.floor, finished)
  }

  /** Before the window is given up: what of the buckets on their way out it holds unfinished is left to the next owner. */
  settleDraining(): void {
    for (const share of this.#shares.values()) {
      if (share.draining !== undefined) share.draining = { ...share.draining, scanned: this.finishedTo(share) }
    }
  }

  /** Before the window is given up: what is finished above the low-water mark is remembered by its share. */
  keepFinished(): void {
    for (const { status, stored, epoch } of this.#window) {
      const share = this.#shares.get(stored.bucket)
      if (status === 'finished' && share?.epoch === epoch) share.done.add(stored.position)
    }
  }

  /** Reads again from the lowest place where something may be unfinished; what runs goes on, and is not begun again. */
  restart(): void {
    // What ran when reading went back before, and was given back since, must be read again.
    for (const { status, stored } of this.#window) {
      if (status === 'queued') this.#shares.get(stored.bucket)?.begun.delete(stored.position)
    }
    const running = this.#window.restart()
    this.#open = running.length
    for (const { stored } of running) this.#shares.get(stored.bucket)?.begun.add(stored.position)
    this.scanned = this.#shares.lowest()
    this.#mark = 0
  }

  flushWithin(soonest: number): void {
    // A slow disk gets its breath: writing progress takes a tenth of the time at most.
    const wait = Math.max(soonest, this.#flushTook * 10)
    const at = this.#core.clock.monotonic() + wait
    if (at >= this.#flushAt) return
    this.#flushAt = at
    this.#cancelFlush()
    const due = () => {
      this.#flushDue = true // the clock is not asked again: a timer may come a moment before its time
      this.#due()
    }
    this.#cancelFlush = this.#core.clock.after(wait, due, true)
  }

  /** False where there was nothing to write. Rejects with `lease-lost` when the group has changed. */
  async flush(state: GroupState): Promise<boolean> {
    this.#flushAt = Number.POSITIVE_INFINITY
    this.#flushDue = false
    this.#cancelFlush()
    if (this.#shares.size === 0) return false
    const mark = this.#writableMark(state)
    const { done, fences } = this.#doneAbove(mark)
    if (mark <= this.#mark && done.length === 0) return false
    const { store, service, instance, clock } = this.#core
    const begun = clock.monotonic()
    try {
      await store.progress({ service, instance: instance(), groupRevision: state.revision, mark, fences, done })
    } catch (error) {
      this.flushWithin(FLUSH_AFTER)
      throw error
    }
    this.#flushTook = Math.min(SLOWEST_FLUSH, clock.monotonic() - begun)
    for (const { position } of done) this.#unwritten.delete(position)
    for (const position of this.#unwritten.keys()) if (position <= mark) this.#unwritten.delete(position)
    this.#mark = Math.max(this.#mark, mark)
    this.#shares.raise(mark)
    return true
  }

  /**
   * The mark speaks for all buckets that are this instance's in the store. One that is on its way out is not read any further, and one
   * that was claimed while the store did not tell what was done there is not read yet.
   */
  #writableMark({ leases }: GroupState): number {
    const me = this.#core.instance()
    let mark = this.lowWater()
    for (const { draining } of this.#shares.values())
      if (draining !== undefined) mark = Math.min(mark, draining.scanned)
    for (const { bucket, owner, epoch, checkpoint } of leases)
      if (owner === me && this.#shares.get(bucket)?.epoch !== epoch) mark = Math.min(mark, checkpoint)
    return mark
  }

  #doneAbove(mark: number) {
    const fences = new Map<number, Fence>()
    const done: { bucket: number; position: number }[] = []
    for (const [position, share] of this.#unwritten) {
      const { bucket, epoch } = share
      if (this.#shares.get(bucket) !== share) this.#unwritten.delete(position)
      else if (position > mark) {
        fences.set(bucket, { bucket, epoch })
        done.push({ bucket, position })
      }
    }
    return { done, fences: [...fences.values()] }
  }
}

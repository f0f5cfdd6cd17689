import { BUCKETS } from '../event/bucket.ts'
import { type Pattern, parsePattern } from '../event/pattern.ts'
import type { StoredEvent } from '../store/events.ts'
import type { FinishedAbove, GroupState, Lease, Subscription } from '../store/groups.ts'
import type { Handover } from './group-plan.ts'

/** A bucket that this instance holds. */
export interface Share {
  readonly bucket: number
  readonly epoch: number
  /** Everything at or below is finished, but for what `covered` leaves open. */
  floor: number
  /** By pattern: finished up to there, above the floor. */
  covered: ReadonlyMap<string, number>
  /** Finished positions above the floor. */
  readonly done: Set<number>
  /** Positions that ran when reading went back: not to be begun again. */
  readonly begun: Set<number>
  /**
   * Nothing new is begun: the bucket is on its way out, for an instance that can handle `needs` where it says so. It was read
   * up to `scanned`.
   */
  draining: { readonly needs: Lease['needs']; readonly scanned: number } | undefined
}

const NOTHING_COVERED: ReadonlyMap<string, number> = new Map()

/** The buckets of one instance of a service, and which events of theirs are still to be handled. */
export class Shares {
  readonly #shares = new Map<number, Share>()
  #subscriptions: readonly (Subscription & { readonly matcher: Pattern })[] = []
  readonly #matching = new Map<string, readonly Subscription[]>()

  get size(): number {
    return this.#shares.size
  }

  get(bucket: number): Share | undefined {
    return this.#shares.get(bucket)
  }

  values(): IterableIterator<Share> {
    return this.#shares.values()
  }

  /** Whether all buckets are held, and none is on its way out. */
  get isAll(): boolean {
    return this.#shares.size === BUCKETS && this.readable() === undefined
  }

  /** Takes a bucket as the store describes it. */
  take(lease: Lease, done: Iterable<number>): void {
    this.#shares.set(lease.bucket, {
      bucket: lease.bucket,
      epoch: lease.epoch,
      floor: lease.checkpoint,
      covered: coveredOf(lease),
      done: new Set(done),
      begun: new Set(),
      draining: undefined,
    })
  }

  drop(bucket: number): void {
    this.#shares.delete(bucket)
  }

  get subscriptions(): readonly Subscription[] {
    return this.#subscriptions
  }

  subscribe(subscriptions: readonly Subscription[]): void {
    this.#subscriptions = subscriptions.map((one) => ({ ...one, matcher: parsePattern(one.pattern) }))
    this.#matching.clear()
  }

  /** The patterns to read. */
  get patterns(): readonly string[] {
    return this.#subscriptions.map(({ pattern }) => pattern)
  }

  /** The buckets to read; undefined for all of them. */
  readable(): ReadonlySet<number> | undefined {
    const buckets = new Set<number>()
    for (const share of this.#shares.values()) if (share.draining === undefined) buckets.add(share.bucket)
    return buckets.size === BUCKETS ? undefined : buckets
  }

  /** Where reading must begin so that nothing unfinished is missed. */
  lowest(): number {
    let lowest = Number.POSITIVE_INFINITY
    for (const { floor } of this.#shares.values()) lowest = Math.min(lowest, floor)
    return lowest
  }

  /**
   * Goes back to what the store has, after the subscriptions changed: what the old ones had finished up to `lowWater` stays
   * finished.
   */
  rewind(state: GroupState, lowWater: number): void {
    for (const share of this.#shares.values()) {
      const lease = state.leases[share.bucket]
      if (lease === undefined) continue
      const covered = new Map(coveredOf(lease))
      const finished = Math.max(share.floor, share.draining?.scanned ?? lowWater)
      for (const { pattern } of this.#subscriptions) {
        covered.set(pattern, Math.max(finished, covered.get(pattern) ?? 0, share.covered.get(pattern) ?? 0))
      }
      share.floor = lease.checkpoint
      share.covered = covered
      // What is on its way out is not read any more: the next owner begins where the new subscription does.
      if (share.draining !== undefined) share.draining = { ...share.draining, scanned: lease.checkpoint }
    }
  }

  /** Raises the floor of every bucket that is read. */
  raise(lowWater: number): void {
    for (const share of this.#shares.values()) {
      if (share.floor >= lowWater || share.draining !== undefined) continue
      share.floor = lowWater
      for (const position of share.done) if (position <= lowWater) share.done.delete(position)
      for (const position of share.begun) if (position <= lowWater) share.begun.delete(position)
      if (share.covered.size > 0 && [...share.covered.values()].every((until) => until <= lowWater)) {
        share.covered = NOTHING_COVERED
      }
    }
  }

  /** The share an event is to be handled in; undefined where there is nothing to do about it here. */
  shareOf(event: Pick<StoredEvent, 'bucket' | 'position' | 'type'>): Share | undefined {
    const share = this.#shares.get(event.bucket)
    if (share === undefined || share.draining !== undefined) return undefined
    return this.isOpen(share, event) ? share : undefined
  }

  /** Whether a subscription wants the event and it is not finished. */
  isOpen(share: Share, { position, type }: Pick<StoredEvent, 'position' | 'type'>): boolean {
    if (position <= share.floor || share.done.has(position) || share.begun.has(position)) return false
    let wanted = false
    for (const { pattern, since } of this.#subscribed(type)) {
      if (position <= since) continue
      if (share.covered.size > 0 && position <= (share.covered.get(pattern) ?? 0)) return false
      wanted = true
    }
    return wanted
  }

  /** Whether a subscription wants the event, finished or not. */
  isWanted({ position, type }: Pick<StoredEvent, 'position' | 'type'>): boolean {
    return this.#subscribed(type).some(({ since }) => position > since)
  }

  /** Whether the service has a subscription for a type, wherever it begins. */
  covers(type: string): boolean {
    return this.#subscribed(type).length > 0
  }

  /** What is finished above a position, where a pattern was added that begins below it. */
  finishedAbove(share: Share, position: number): FinishedAbove | null {
    const patterns = [...share.covered].flatMap(([pattern, until]) => (until > position ? [{ pattern, until }] : []))
    const positions = [...share.done].filter((done) => done > position)
    return patterns.length + positions.length === 0 ? null : { patterns, positions }
  }

  /** Whether an event is among what was finished. */
  isAmong({ patterns, positions }: FinishedAbove, { position, type }: Pick<StoredEvent, 'position' | 'type'>): boolean {
    if (positions.includes(position)) return true
    return this.#subscribed(type).some(
      ({ pattern, since }) =>
        since < position && patterns.some((one) => one.pattern === pattern && position <= one.until),
    )
  }

  /** What the next owner gets, where everything up to `checkpoint` is finished. */
  handover(share: Share, checkpoint: number): Handover {
    const covered = [...share.covered].filter(([, until]) => until > checkpoint)
    return {
      bucket: share.bucket,
      epoch: share.epoch,
      checkpoint,
      covered: covered.length === 0 ? null : covered.map(([pattern, until]) => ({ pattern, until })),
      needs: share.draining?.needs ?? null,
    }
  }

  #subscribed(type: string): readonly Subscription[] {
    let found = this.#matching.get(type)
    if (found === undefined) {
      found = this.#subscriptions.filter(({ matcher }) => matcher.matches(type))
      this.#matching.set(type, found)
    }
    return found
  }
}

function coveredOf(lease: Lease): ReadonlyMap<string, number> {
  return lease.covered === null ? NOTHING_COVERED : new Map(lease.covered.map(({ pattern, until }) => [pattern, until]))
}

/*
 * What the store keeps of services: the rare and the hot apart.
 *
 * Rare: who is a member, which patterns are subscribed, who leases which bucket. One group state a service, changed by
 * compare-and-set on its `revision`, so that the rules live in pure functions above the engines.
 * Hot: progress. A mark per instance, done rows above it, cursors of failing keys; every write of it is fenced.
 */

/** One recorded subscription. */
export interface Subscription {
  readonly pattern: string
  /** Events after this position belong to it. */
  readonly since: number
}

/** A live instance of a service. */
export interface Member {
  readonly instance: string
  /** Patterns it has handlers for. */
  readonly patterns: readonly string[]
  /** The newest version it knows of each type it has a definition of. */
  readonly versions: Readonly<Record<string, number>>
}

/** A share of the work: who holds it, and up to where it is finished. */
export interface Lease {
  readonly bucket: number
  readonly owner: string | null
  /** Raised whenever the owner changes; every write of progress names it. */
  readonly epoch: number
  /** Every event of the bucket at or below is finished. The owner's mark counts too: see {@link GroupState}. */
  readonly checkpoint: number
  /** After a pattern was added with an earlier start: up to where other patterns are finished above the checkpoint. */
  readonly covered: readonly { readonly pattern: string; readonly until: number }[] | null
  /** What the next owner must be able to handle, when the last one could not. */
  readonly needs: { readonly type: string; readonly version: number } | null
  /** An owner died: up to this position, what is begun is written down first, to find what kills processes. */
  readonly carefulUntil: number | null
}

/** An outage of what a handler depends on: new events of it are held back by all instances until one succeeds. */
export interface OpenBreaker {
  /** The patterns of the handler, as one text. */
  readonly handler: string
  /** Ms since 1970. */
  readonly openedAt: number
  /** How many events were let through. */
  readonly probes: number
  /** Ms since 1970, from when on an instance may take the turn to let the next one through. */
  readonly probeAt: number
}

/** An event that was begun with care: whoever finds it after a death knows what was in flight. */
export interface StartedMark {
  readonly bucket: number
  readonly position: number
  /** How often a process died while it ran nothing but this. */
  readonly deaths: number
}

/** Everything rare about a service. `leases` has one row for each of the 256 buckets, in order. */
export interface GroupState {
  readonly service: string
  /** Compare-and-set: 0 means the service is not recorded yet. */
  readonly revision: number
  /** Why the service is at rest; null while it runs. */
  readonly paused: string | null
  readonly subscriptions: readonly Subscription[]
  readonly members: readonly Member[]
  readonly breakers: readonly OpenBreaker[]
  /** `checkpoint` here is effective: the higher of the row's own and the owner's mark. */
  readonly leases: readonly Lease[]
}

/** Fields that are left out stay as they are. */
export interface LeaseChange extends Partial<Omit<Lease, 'bucket'>> {
  readonly bucket: number
}

/** A change of a group's state. */
export interface GroupUpdate {
  readonly paused?: string | null
  readonly subscriptions?: readonly Subscription[]
  readonly members?: readonly Member[]
  readonly breakers?: readonly OpenBreaker[]
  /** Instances that died: each counts as a death for what it had begun alone. */
  readonly died?: readonly string[]
  /**
   * Instances whose mark is first written into the checkpoints of the leases they own (never lowering one), and then
   * removed. Whoever claims, loses or evicts must fold, because a mark speaks for exactly the leases its owner had.
   */
  readonly fold?: readonly string[]
  /**
   * Takes every lease that is further than `from` back to it, after `fold`: what these patterns have finished above, up to the
   * checkpoint that was, is added to `covered`. Done by the store because only it knows the checkpoint as it is.
   */
  readonly rewind?: { readonly from: number; readonly patterns: readonly string[] }
  /** Applied after `fold` and `rewind`. A `checkpoint` given here is set as it is, lower ones too. */
  readonly leases?: readonly LeaseChange[]
  /** Removes done rows and cursors with a position above this, and their dead letters: the events come again. */
  readonly forgetProgressAfter?: number
}

/** A lease after {@link GroupUpdate.rewind}; undefined where it is not further than that. */
export function rewound(lease: Lease, { from, patterns }: NonNullable<GroupUpdate['rewind']>): Lease | undefined {
  if (lease.checkpoint <= from) return undefined
  const until = new Map(lease.covered?.map((one) => [one.pattern, one.until]))
  for (const pattern of patterns) until.set(pattern, Math.max(lease.checkpoint, until.get(pattern) ?? 0))
  return {
    ...lease,
    checkpoint: from,
    covered: [...until].map(([pattern, position]) => ({ pattern, until: position })),
  }
}

/** `retrying`: its head is tried again at `nextAttemptAt`. `parked`: a dead letter holds it. `waiting`: no one can handle its head. */
export type CursorState = 'retrying' | 'parked' | 'waiting'

/** A key whose head failed: the reader skips the key, and the bucket's owner drains it from here. */
export interface Cursor {
  readonly key: string
  readonly bucket: number
  /** Position of the head: the first event of the key that is not finished. */
  readonly position: number
  readonly state: CursorState
  readonly attempts: number
  /** Ms since 1970. */
  readonly firstFailedAt: number
  readonly nextAttemptAt: number
  readonly error: StoredError | null
  /** Of the dead letter its head was parked as, also while that is redriven. */
  readonly deadLetter: string | null
  /** What is finished above the head all the same; null where nothing is. */
  readonly finished: FinishedAbove | null
}

/**
 * Events of a bucket that were finished before a pattern was added whose events begin below them. A cursor keeps this by itself:
 * once the checkpoint has passed, nothing else tells.
 */
export interface FinishedAbove {
  /** By pattern: finished up to there. */
  readonly patterns: readonly { readonly pattern: string; readonly until: number }[]
  readonly positions: readonly number[]
}

/** An error cut to what can be kept: plain, bounded, without cycles. */
export interface StoredError {
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly stack?: string
}

export type DeadLetterState = 'parked' | 'redriving' | 'skipped'

/** An event that a service gave up on. */
export interface StoredDeadLetter {
  readonly id: string
  readonly service: string
  readonly key: string
  readonly bucket: number
  readonly position: number
  readonly eventId: string
  readonly type: string
  readonly state: DeadLetterState
  readonly attempts: number
  readonly error: StoredError
  readonly firstFailedAt: number
  readonly parkedAt: number
  /** JSON text of data that takes the place of the original's, for this service only. */
  readonly edited: string | null
}

/** A right to write progress in a bucket. */
export interface Fence {
  readonly bucket: number
  readonly epoch: number
}

/**
 * One atomic write of progress. Refused as a whole with `lease-lost` unless `instance` owns every bucket of `fences` at its
 * epoch, and with `lease-lost` and `details.group: true` unless the group is at `groupRevision`, where one is given.
 */
export interface Progress {
  readonly service: string
  readonly instance: string
  readonly fences: readonly Fence[]
  readonly groupRevision?: number
  /**
   * All events at or below are finished in all buckets the instance owns. Never lowered by a smaller one. Needs
   * `groupRevision`. Done rows of these buckets at or below are removed with it.
   */
  readonly mark?: number
  /** Finished above the mark. A row that stands already is no error, unless `once`. */
  readonly done?: readonly { readonly bucket: number; readonly position: number }[]
  /** Refuse the write with `lease-lost` if one of `done` stands already: its effect has happened. */
  readonly once?: boolean
  /** Events that are about to begin. Finishing one, or a mark that passes it, takes it off again. */
  readonly started?: readonly { readonly bucket: number; readonly position: number; readonly alone: boolean }[]
  /** Positions that did not kill the process, though they may not be finished. */
  readonly survived?: readonly number[]
  readonly cursors?: readonly CursorChange[]
  readonly deadLetters?: readonly DeadLetterChange[]
}

export type CursorChange = { readonly put: Cursor } | { readonly remove: string }
export type DeadLetterChange = { readonly put: StoredDeadLetter } | { readonly remove: string }

/** What an operator does to dead letters, from any process; not fenced, but conditional on the state found. */
export interface DeadLetterUpdate {
  readonly id: string
  readonly expected: DeadLetterState
  /** The new letter; null removes it. */
  readonly letter: StoredDeadLetter | null
  /** What becomes of the cursor whose head it is, if it is one; key and bucket stay. */
  readonly cursor: Cursor | null
}

export interface DeadLetterQuery {
  readonly service?: string
  readonly key?: string
  readonly type?: string
  readonly state?: DeadLetterState
  /** Positions at or below. */
  readonly until?: number
  /** Ids that sort after this one. */
  readonly after?: string
  readonly limit: number
}

/** How far a service is, read in one consistent view. */
export interface GroupProgress {
  /** Effective checkpoint of each of the 256 buckets. */
  readonly checkpoints: readonly number[]
  readonly cursors: Readonly<Record<CursorState, number>>
}

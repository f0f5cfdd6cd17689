/*
 * What a run of the laboratory leaves behind, and what the checker reads. All times are ms of the machine's own monotonic clock,
 * which its processes share.
 */

/** A write that resolved: the publisher was told that these events are recorded. */
export interface Acknowledged {
  /** Number of the publication; the same for every try at it. */
  readonly number: number
  readonly ids: readonly string[]
  readonly streams: readonly { readonly stream: string; readonly revision: number }[]
}

/** An event as the log holds it at the end. */
export interface Logged {
  readonly position: number
  readonly id: string
  readonly type: string
  readonly key: string
  readonly stream?: string
  readonly revision?: number
  readonly causationId?: string
}

/** One call of a handler for one event. */
export interface Run {
  readonly service: string
  readonly process: string
  readonly position: number
  readonly attempt: number
  readonly begin: number
  /** When the process last asked its clock before the handler began: it ran on from there without a look at the time. */
  readonly checked: number
  /** When it ended, or its process did. */
  readonly end: number
  /** `open`: its process died, or was told to end, before it was over. */
  readonly outcome: 'done' | 'failed' | 'open'
  /** The events of one call of a batch handler share it. */
  readonly batch?: string
}

/** What a `ctx.commit` left in the store. */
export interface Effect {
  /** Rises in the order of commit. */
  readonly order: number
  readonly service: string
  readonly position: number
  /** When it was written, in its transaction. */
  readonly at: number
}

export interface ProcessLife {
  readonly name: string
  /** When each heartbeat that the store confirmed was begun; joining counts as one. */
  readonly beats: readonly number[]
}

/** How long the share of a process that was killed or frozen stayed with it. */
export interface Takeover {
  readonly process: string
  readonly service: string
  readonly cause: 'kill' | 'stop' | 'block'
  /** Undefined: it never was with somebody else. */
  readonly seconds: number | undefined
  /** The way of the bucket that was the last. */
  readonly last?: string
}

/** What the checker holds a service to. */
export interface ServiceExpectation {
  readonly service: string
  readonly subscriptions: readonly { readonly pattern: string; readonly since: number }[]
  /** Every event has its effect in the store, once. */
  readonly commits: boolean
  /** How it stands at the end. */
  readonly state: 'running' | 'down' | 'paused'
  readonly parked: number
  readonly retrying: number
  readonly waiting: number
}

/** Each event of type `of` must have led to exactly one of type `type`. */
export interface FollowUp {
  readonly of: string
  readonly type: string
}

export interface History {
  readonly acknowledged: readonly Acknowledged[]
  readonly log: readonly Logged[]
  readonly runs: readonly Run[]
  readonly effects: readonly Effect[]
  readonly processes: readonly ProcessLife[]
  readonly takeovers: readonly Takeover[]
  readonly services: readonly ServiceExpectation[]
  readonly followUps: readonly FollowUp[]
  /** Why the services did not come to rest; undefined where they did. */
  readonly unsettled?: string
  /** Processes that ended by themselves, or would not end. */
  readonly failures?: readonly string[]
}

export type ViolationKind =
  | 'lost'
  | 'torn-append'
  | 'duplicate-event'
  | 'receipt-changed'
  | 'stream-order'
  | 'unhandled'
  | 'missing-effect'
  | 'duplicate-effect'
  | 'effect-order'
  | 'order'
  | 'overlap'
  | 'begun-without-lease'
  | 'follow-up-missing'
  | 'follow-up-twice'
  | 'unsettled'
  | 'gave-up'
  | 'slow-takeover'
  | 'process-failed'

export interface Violation {
  readonly kind: ViolationKind
  readonly what: string
}

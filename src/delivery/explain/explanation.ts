import type { Capabilities, Durability } from '../../store/port.ts'

/** What an app, or a store, promises as it is wired, and why. Plain JSON; `formatExplanation` makes text of it. */
export interface Explanation {
  readonly source: string
  readonly store: StoreExplanation
  /** By name: those this app defines, and those the store knows. */
  readonly services: readonly ServiceExplanation[]
  /** By name and version: those this app registers, and those the store knows. */
  readonly projections: readonly ProjectionExplanation[]
  /** What weakens a promise for all of them; each service has its own besides. */
  readonly warnings: readonly ExplanationWarning[]
}

export interface StoreExplanation {
  readonly engine: string
  /** E.g. the path of a file; null where there is no place. */
  readonly location: string | null
  /** Of what this program writes: on disk before a write resolves, handed to the operating system, or in memory only. */
  readonly durability: Durability | 'none'
  readonly capabilities: Capabilities
}

export interface ServiceExplanation {
  readonly service: string
  /** Whether this app defines it. Of others, options and handlers are not known here. */
  readonly defined: boolean
  /** `new`: never started on this store. */
  readonly state: 'new' | 'running' | 'down' | 'paused'
  readonly instances: number
  /** Positions between the checkpoint and the head. */
  readonly lag: number
  readonly handlers: readonly HandlerExplanation[]
  readonly subscriptions: readonly SubscriptionExplanation[]
  readonly order: PromiseExplanation
  readonly delivery: PromiseExplanation
  readonly deduplication: PromiseExplanation
  readonly recovery: PromiseExplanation
  readonly warnings: readonly ExplanationWarning[]
}

export interface ProjectionExplanation {
  readonly projection: string
  readonly version: number
  /** Whether this app registers it. */
  readonly defined: boolean
  readonly mode: 'async' | 'parallel' | 'inline'
  /** `new`: never started on this store. */
  readonly state: 'new' | 'running' | 'building' | 'retrying' | 'blocked' | 'paused' | 'down' | 'inline'
  /** Positions between what is in the view and the head. */
  readonly lag: number
  readonly order: PromiseExplanation
  readonly delivery: PromiseExplanation
  readonly recovery: PromiseExplanation
  readonly warnings: readonly ExplanationWarning[]
}

export interface HandlerExplanation {
  readonly patterns: readonly string[]
  readonly mode: 'each' | 'batch'
  /** Attempts in this process, and how many of them committed with `ctx.commit`. */
  readonly attempts: number
  readonly commits: number
}

export interface SubscriptionExplanation {
  readonly pattern: string
  /** Events after this position belong to it; null before it is first recorded. */
  readonly since: number | null
  /** Whether a live instance announces it. */
  readonly announced: boolean
}

export interface PromiseExplanation {
  readonly promise: string
  readonly because: readonly string[]
}

export interface ExplanationWarning {
  /** Stable, for programs. */
  readonly code: WarningCode | (string & {})
  /** `hint`: it may be as it should. */
  readonly level: 'warning' | 'hint'
  readonly message: string
  readonly fix: string
}

/** Engines add their own, e.g. `memory-store` and `network-file-system`. */
export type WarningCode =
  | 'breaker-open'
  | 'commit-unused'
  | 'durability-lowered'
  | 'lag-at-concurrency-1'
  | 'newer-version'
  | 'no-patience'
  | 'parked-keys'
  | 'poison-skip'
  | 'poison-stop'
  | 'projection-blocked'
  | 'projection-down'
  | 'service-down'
  | 'service-paused'
  | 'system-events'
  | 'too-many-instances'
  | 'unannounced-subscription'
  | 'unknown-type'

import type { Documents, DocumentWrite, TransactionDocuments } from './documents.ts'
import type { AppendRequest, InlineProjection, Receipt, StoredEvent } from './events.ts'
import type {
  Cursor,
  DeadLetterQuery,
  DeadLetterUpdate,
  GroupProgress,
  GroupState,
  GroupUpdate,
  Progress,
  StartedMark,
  StoredDeadLetter,
} from './groups.ts'
import type { SqlTag } from './sql.ts'
import type { Transfer } from './transfer.ts'

export type { SqlRows, SqlTag } from './sql.ts'

/** What an engine can do. Code asks "can you?", never "who are you?". */
export interface Capabilities {
  /** `transaction` and the work of `progress` run, and commit with what stands beside them. */
  readonly transactions: boolean
  /** `tx.sql` works. */
  readonly sql: boolean
  /** An append may hold several streams. */
  readonly multiStreamAppend: boolean
  /** Several processes may open the same store. */
  readonly multiProcess: boolean
  /** An acknowledged write survives the process, and with durability `fsync` the machine. */
  readonly durable: boolean
  readonly maxEventsPerAppend: number
  /** Bytes of `data` and `metadata` of one event, as UTF-8. */
  readonly maxEventBytes: number
  /**
   * One transaction at a time: while one is open all other writers wait, so its work is given up with `commit-awaited-io` when it
   * awaits anything but `tx`. Elsewhere only what it has locked waits, and a transaction that idles too long is ended.
   */
  readonly exclusiveTransactions: boolean
  /** `outbox` returns at once, so that no inline work can run in it: refused with `capability-missing`. */
  readonly synchronousOutbox: boolean
}

/** `fsync`: on disk before a write resolves. `os`: handed to the operating system, which a power cut can take away. */
export type Durability = 'fsync' | 'os'

export interface LogFilter {
  /** Patterns, any of which may match; absent: all types. */
  readonly types?: readonly string[]
  /** Absent: all buckets. */
  readonly buckets?: ReadonlySet<number>
  readonly correlationId?: string
  readonly causationId?: string
  /** Whole names of streams. */
  readonly streams?: readonly string[]
  /** Events of one order key: the stream, else the given key, else the id. */
  readonly key?: string
}

export interface LogQuery extends LogFilter {
  /** Only positions above; 0 by default. */
  readonly after?: number
  /** Only positions at or below; the head by default. */
  readonly until?: number
  /** From `until` down. */
  readonly backwards?: boolean
  /** At most so many events. A page also ends at about 4 MiB of data. */
  readonly limit: number
}

export interface LogPage {
  readonly events: readonly StoredEvent[]
  /**
   * Every position from the start of the query to here was looked at, matching or not: go on after it (backwards: with
   * `until` one below). A page may be empty and yet have moved on.
   */
  readonly scanned: number
  /** Nothing is left in the range that was asked for, as of this read. */
  readonly end: boolean
}

export interface StreamQuery {
  readonly stream: string
  /** First revision, inclusive; 1 by default. */
  readonly from?: number
  /** Last revision, inclusive. */
  readonly to?: number
  /** Only events the store recorded at or before, ms since 1970. */
  readonly recordedUntil?: number
  readonly backwards?: boolean
  readonly limit: number
}

/** An open transaction of the store. */
export interface StoreTransaction {
  readonly sql: SqlTag
  readonly documents: TransactionDocuments
  /** Recorded with the transaction, after the work is done, in the order given. */
  append(request: AppendRequest): void
}

/** Something may have changed; reading tells what. Hints may be spurious, and may be lost but for the polling beneath. */
export interface Hint {
  /** There may be events above this position. */
  readonly head?: number
  /** The state of groups, or dead letters, may have changed. */
  readonly groups?: boolean
  /** Whose; of any service where this is left out. */
  readonly services?: ReadonlySet<string>
  /** The store has lost events it acknowledged: positions above `head` that were read are given again, to other events. */
  readonly behind?: true
}

/** A process that has the store open and runs services. */
export interface InstanceInfo {
  readonly id: string
  readonly source: string
  readonly host: string
  /** Equal where process ids mean the same processes. */
  readonly machine: string
  readonly pid: number
  readonly startedAt: number
}

export interface Presence {
  /** Announces a process. */
  join(instance: InstanceInfo): Promise<void>
  /**
   * Raises the process's own counter, ahead of all other work of the store, and tells everyone's: who sees a counter
   * unchanged for long enough by its own clock may take that process for dead. `alive` is false when the own row is gone:
   * somebody took this one for dead.
   */
  beat(id: string): Promise<{ readonly alive: boolean; readonly beats: ReadonlyMap<string, number> }>
  /** Removes a row; with `beat`, only if its counter still stands there. Tells whether it did. */
  leave(id: string, beat?: number): Promise<boolean>
  list(): Promise<readonly InstanceInfo[]>
}

export interface Groups {
  list(): Promise<readonly string[]>
  /** The state of a service; of one that is not recorded: revision 0, and 256 unowned leases at epoch 0 and checkpoint 0. */
  read(service: string): Promise<GroupState>
  /** The current revision of every recorded service. Cheap: asked at every hint. */
  revisions(): Promise<ReadonlyMap<string, number>>
  /** Compare-and-set; false when the group is no longer at `revision`, and then nothing changed. */
  update(service: string, revision: number, change: GroupUpdate): Promise<boolean>
  /** Removes everything about the service; false when the group is no longer at `revision`. */
  forget(service: string, revision: number): Promise<boolean>
  progress(service: string): Promise<GroupProgress>
  /** Positions of done rows above the checkpoint of these buckets. */
  done(service: string, buckets: ReadonlySet<number>): Promise<readonly { bucket: number; position: number }[]>
  /** What was begun with care in these buckets, and is not known to be finished. */
  started(service: string, buckets: ReadonlySet<number>): Promise<readonly StartedMark[]>
  cursors(service: string, buckets?: ReadonlySet<number>): Promise<readonly Cursor[]>
}

export interface DeadLetters {
  list(query: DeadLetterQuery): Promise<readonly StoredDeadLetter[]>
  get(id: string): Promise<StoredDeadLetter | undefined>
  /** False when the letter is not in the expected state any more. */
  update(change: DeadLetterUpdate): Promise<boolean>
}

/** What weakens a promise, and what to do about it. */
export interface StoreWarning {
  readonly code: string
  readonly message: string
  readonly fix: string
}

/** What an engine knows of where it stores. */
export interface StoreDescription {
  /** As a person names it, e.g. the path of a file; null where there is no place. */
  readonly location: string | null
  /** Of what this program writes; `none` where nothing outlives the process. */
  readonly durability: Durability | 'none'
  readonly warnings: readonly StoreWarning[]
}

/**
 * Where the log lives. An engine implements this and nothing else; `conformance` (hodisa/testing) tells whether it does.
 *
 * Every method may reject with a `store-*` error; none of them throws synchronously but `outbox`.
 */
export interface Store {
  readonly engine: string
  readonly capabilities: Capabilities
  /**
   * Another number each time that the store is found to have lost events it acknowledged, as after a failover: what was read before
   * may be of events that are no more. Up to date after every answer. Absent where nothing is ever lost.
   */
  readonly timeline?: number
  /** For people who ask what they can rely on. */
  describe?(): Promise<StoreDescription>

  /**
   * Records a batch atomically and durably, or rejects and records nothing:
   * - ids are checked first. All known with equal content: the first receipt, `duplicate: true`, nothing is written. Some
   *   known: only the new ones are recorded, but `partial-duplicate` where a condition expects a number. Known with other
   *   content: `id-reused`, or nothing with `keep-first`.
   * - then conditions, against the state before the batch: `revision-conflict` lists every violation.
   * - then size: `append-too-large`, `event-too-large`.
   */
  append(request: AppendRequest): Promise<Receipt>
  /** Position of the newest event that readers can see; 0 in an empty log. */
  head(): Promise<number>
  /** The last position recorded at or before a time (ms since 1970); 0 if none. */
  positionAt(time: number): Promise<number>
  /** Position of the oldest event kept; 0 in an empty log. */
  oldest(): Promise<number>
  readLog(query: LogQuery): Promise<LogPage>
  /** Empty past the end, and for a stream that never was. */
  readStream(query: StreamQuery): Promise<readonly StoredEvent[]>
  /** 0 for a stream that never was. */
  streamRevision(stream: string): Promise<number>
  /** Events by id, in no order; unknown ids are left out. */
  byIds(ids: readonly string[]): Promise<readonly StoredEvent[]>
  /** Positions, with bucket and type, of the events of a receipt; undefined while readers cannot see them all yet. */
  resolve(token: string): Promise<readonly { bucket: number; type: string; position: number }[] | undefined>

  /** Runs `work` in one transaction of the store; commits when it resolves, rolls back when it rejects. */
  transaction<Result>(work: (tx: StoreTransaction) => Promise<Result>): Promise<{ result: Result; receipt?: Receipt }>
  /**
   * Writes progress, and commits with it what `work` did, or nothing of both. The fences are checked before the work and hold
   * at commit. `append` is recorded and `documents` are written with it.
   */
  progress(
    change: Progress,
    options?: {
      append?: AppendRequest
      documents?: readonly DocumentWrite[]
      work?: (tx: StoreTransaction) => Promise<void>
    },
  ): Promise<Receipt | undefined>
  /** Appends inside the user's own transaction, on the user's own connection; the type of the result is the engine's. */
  outbox(connection: unknown): { append(request: AppendRequest): Receipt | Promise<Receipt> }

  /** Calls back whenever something may have changed, from this or another process, until the function it returns is called. */
  watch(listener: (hint: Hint) => void): () => void

  readonly presence: Presence
  readonly groups: Groups
  readonly deadLetters: DeadLetters
  readonly documents: Documents

  /** Registers, or with `types: []` removes, a projection that every append of these types must write. */
  inline(projection: InlineProjection): Promise<void>
  inlines(): Promise<readonly InlineProjection[]>

  /** For copies of all of it; absent where an engine is not copied. */
  readonly transfer?: Transfer

  /** Removes expired events and documents; tells how many. */
  expire(now: number): Promise<number>
  /** Finishes what was accepted, then lets go. Safe to call twice. */
  close(): Promise<void>
}

/** Time, so that tests can own it. */
export interface Clock {
  /** Ms since 1970; may jump. */
  now(): number
  /** Ms from an arbitrary start; never jumps. */
  monotonic(): number
  /** Calls back once after `ms`, at 0 in the next turn; the function it returns cancels. Timers do not keep the process alive where `background`. */
  after(ms: number, callback: () => void, background?: boolean): () => void
}

/** Where the framework says what it noticed. */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  error(message: string, fields?: Record<string, unknown>): void
}

/** What an engine gets from the app that opens it. */
export interface StoreHost {
  readonly clock: Clock
  readonly logger: Logger
  readonly durability: Durability
}

/** Made by `sqlite(…)`, `memory()` and the like; opened by hodisa(). */
export interface StoreFactory {
  readonly engine: string
  open(host: StoreHost): Promise<Store>
}

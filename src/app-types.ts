import type { BatchHandler, Handler } from './delivery/context.ts'
import type { From, ServiceOptions } from './delivery/options.ts'
import type { Duration } from './event/duration.ts'
import type { EventContext } from './event/context.ts'
import type { AnyEventDefinition } from './event/definition.ts'
import type { InputByType, RecordedFor, TypeOf, What } from './event/typed.ts'
import type { EventExtras, NewEvent, RecordedEvent } from './event/types.ts'
import type { Codec } from './log/codec.ts'
import type { ReadOptions, TailOptions } from './log/read.ts'
import type { Transaction } from './log/transaction.ts'
import type { ExpectedRevision, Receipt } from './store/events.ts'
import type { DeadLetterState, StoredError } from './store/groups.ts'
import type { Clock, Durability, Logger, StoreFactory } from './store/port.ts'

export interface HodisaOptions<Definitions extends readonly AnyEventDefinition[]> {
  /** Name of this program; every event it publishes carries it as `metadata.source`. */
  readonly source: string
  /** Where the log lives: `sqlite('shop.db')`, `memory()` … */
  readonly store: StoreFactory
  /** The definitions this program publishes and handles. */
  readonly events?: Definitions
  /** Warnings and errors go to the console by default. */
  readonly logger?: Logger
  /** `fsync` by default. */
  readonly durability?: Durability
  /** For tests. */
  readonly clock?: Clock
  /** How the data of events is kept; plain JSON by default. */
  readonly codec?: Codec
}

export interface PublishOptions extends EventExtras {
  /** Enforced on the stream the events go to; they must all go to one. */
  readonly expectedRevision?: ExpectedRevision
}

export interface StreamAppend {
  /** Whole name, `category-id`. */
  readonly stream: string
  /** May be empty, to check `expectedRevision` only. */
  readonly events: readonly NewEvent[]
  /** `'any'` by default. */
  readonly expectedRevision?: ExpectedRevision
}

/** Named handlers that share their events among all running instances. */
export interface Service<Definitions extends readonly AnyEventDefinition[]> {
  readonly name: string
  /**
   * Handles one event at a time. `from` says where this subscription begins, when it is first recorded.
   *
   * @throws {HodisaError} `handler-conflict`, `app-started`, `invalid-name`
   */
  on<const Of extends What>(
    what: Of,
    handler: Handler<RecordedFor<Definitions, Of>>,
    options?: { readonly from?: From },
  ): this
  /** Handles up to `size` events together, after at most `wait`; in order of each key. A failing batch is halved down to the one event. */
  onBatch<const Of extends What>(
    what: Of,
    options: { readonly size: number; readonly wait: Duration; readonly from?: From },
    handler: BatchHandler<RecordedFor<Definitions, Of>>,
  ): this
}

/** An event that a service gave up on. */
export interface DeadLetter {
  readonly id: string
  readonly service: string
  readonly key: string
  readonly state: DeadLetterState
  readonly attempts: number
  readonly error: StoredError
  /** ISO 8601. */
  readonly firstFailedAt: string
  readonly parkedAt: string
  /** The event as recorded, with the edited data in place where it was edited. */
  readonly event: RecordedEvent
  /** Whether `event.data` was edited. */
  readonly edited: boolean
}

export interface DeadLetterFilter {
  readonly service?: string
  readonly key?: string
  /** A type. */
  readonly type?: string
  readonly state?: DeadLetterState
  /** Page size; 100 by default. */
  readonly limit?: number
  /** Id of the last letter of the page before. */
  readonly after?: string
}

export interface DeadLettersApi {
  list(filter?: DeadLetterFilter): Promise<readonly DeadLetter[]>
  /** @throws {HodisaError} `dead-letter-unknown` */
  get(id: string): Promise<DeadLetter>
  /** Tries again, ahead of what waits behind it; with `data`, the edited event takes the original's place for this service. */
  redrive(id: string, options?: { readonly data?: unknown }): Promise<void>
  /** Gives the event up and goes on with its key; the letter stays, as `skipped`. */
  skip(id: string): Promise<void>
  /** Like skip, and the letter is removed. */
  drop(id: string): Promise<void>
}

/** A service as the store knows it. */
export interface ServiceStatus {
  readonly service: string
  readonly state: 'running' | 'down' | 'paused'
  /** Why it is paused. */
  readonly reason?: string
  readonly instances: readonly { readonly id: string; readonly source: string; readonly host: string; readonly pid: number; readonly buckets: number }[]
  readonly subscriptions: readonly { readonly pattern: string; readonly since: number }[]
  /** Everything at or below is finished. */
  readonly checkpoint: number
  /** Positions between the checkpoint and the head: an upper bound of the events to come. */
  readonly lag: number
  readonly retrying: number
  readonly parked: number
  readonly waiting: number
}

export interface ServicesApi {
  list(): Promise<readonly ServiceStatus[]>
  /** Its instances finish what runs and start nothing more, until resumed; also those that start later. */
  pause(service: string, reason?: string): Promise<void>
  resume(service: string): Promise<void>
  /** Moves it, backwards or forwards; events after the place come (again). */
  reset(service: string, to: { readonly from: From }): Promise<void>
  /** Removes its subscriptions, progress and dead letters. @throws {HodisaError} `service-running` */
  forget(service: string): Promise<void>
}

export interface SettledOptions {
  /** All recorded services by default. */
  readonly services?: readonly string[]
  /** Wait for these events only; by default for everything recorded, and what the services publish meanwhile. */
  readonly after?: Receipt
  /** 30 s by default. */
  readonly timeout?: Duration
}

/** Synchronous on a synchronous driver (better-sqlite3), asynchronous elsewhere. */
export interface Outbox<Result> {
  publish(events: NewEvent | readonly NewEvent[], options?: PublishOptions): Result
}

/** What an outbox asks of a better-sqlite3 database. */
export interface SqliteConnection {
  readonly name: string
  readonly inTransaction: boolean
  prepare(sql: string): unknown
  pragma(source: string, options?: { simple?: boolean }): unknown
}

/** What an outbox asks of a `pg` client, or of what wraps one. */
export interface QueryConnection {
  query(text: string, values?: unknown[]): Promise<unknown>
}

/** One program on the log: it publishes, reads, and runs services. */
export interface App<Definitions extends readonly AnyEventDefinition[] = readonly AnyEventDefinition[]> {
  readonly source: string
  /**
   * Records events; resolves when they are durable. All of them are recorded, or none.
   *
   * @throws {HodisaError} `unknown-type`, `invalid-data` (every issue with its path), `unserialisable-data`, `revision-conflict`,
   * `id-reused`, `partial-duplicate`, `store-busy` …
   */
  publish<const Type extends TypeOf<Definitions>>(
    type: Type,
    data: InputByType<Definitions, Type>,
    options?: PublishOptions,
  ): Promise<Receipt>
  publish(events: NewEvent | readonly NewEvent[], options?: PublishOptions): Promise<Receipt>
  /** Appends to several streams atomically. @throws {HodisaError} `revision-conflict` with every violation */
  append(writes: readonly StreamAppend[], options?: Pick<EventExtras, 'correlationId' | 'causationId' | 'metadata'>): Promise<Receipt>
  /** Reads in pages up to the head. */
  read(options?: ReadOptions): AsyncGenerator<RecordedEvent, void, undefined>
  /** Reads on as events come, until its signal aborts. */
  tail(options?: TailOptions): AsyncGenerator<RecordedEvent, void, undefined>
  /** The event with this id, if there is one. */
  get(id: string): Promise<RecordedEvent | undefined>
  /** Defines a service; handlers are added with `on`, before `start`. */
  service(name: string, options?: ServiceOptions): Service<Definitions>
  /** Runs `work` in a context: what it publishes, at any depth, carries these ids. */
  context<Result>(context: EventContext, work: () => Result): Result
  /** The user's SQL and events in one transaction of the store. Inside, await only `tx`. */
  transaction<Result>(work: (tx: Transaction) => Promise<Result> | Result): Promise<Result>
  /** Publishes inside the user's own transaction, on the user's own connection. */
  outbox(connection: SqliteConnection): Outbox<Receipt>
  outbox(connection: QueryConnection): Outbox<Promise<Receipt>>
  readonly deadLetters: DeadLettersApi
  readonly services: ServicesApi
  /** Resolves when services have finished. @throws {HodisaError} `timeout`, naming what is unfinished */
  settled(options?: SettledOptions): Promise<void>
  /** Starts the services; resolves when their subscriptions are recorded. Safe to call twice. */
  start(): Promise<void>
  /** Lets running handlers finish (10 s by default), hands their shares over and closes the store. Safe to call twice. */
  stop(options?: { readonly timeout?: Duration }): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

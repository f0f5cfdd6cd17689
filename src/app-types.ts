import type { AggregateMethods } from './aggregate/app-types.ts'
import type { BatchHandler, Handler } from './delivery/context.ts'
import type { DeadLetters } from './delivery/dead-letters.ts'
import type { Explanation } from './delivery/explain/explanation.ts'
import type { From, ServiceOptions } from './delivery/options.ts'
import type { Services } from './delivery/services.ts'
import type { SettledOptions } from './delivery/settled.ts'
import type { EventContext } from './event/context.ts'
import type { AnyEventDefinition } from './event/definition.ts'
import type { Duration } from './event/duration.ts'
import type { IdMaker } from './event/id.ts'
import type { InputByType, RecordedFor, TypeOf, What } from './event/typed.ts'
import type { EventExtras, NewEvent, RecordedEvent } from './event/types.ts'
import type { Codec } from './log/codec.ts'
import type { ReadOptions, TailOptions } from './log/read.ts'
import type { Transaction } from './log/transaction.ts'
import type { PublishOptions, StreamAppend } from './log/write.ts'
import type { ProjectionMethods } from './projection/app-types.ts'
import type { Receipt } from './store/events.ts'
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
  /** Time, chance and new ids, for tests and simulations. */
  readonly clock?: Clock
  readonly random?: () => number
  readonly newId?: IdMaker
  /** How the data of events is kept; plain JSON by default. */
  readonly codec?: Codec
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
export interface App<Definitions extends readonly AnyEventDefinition[] = readonly AnyEventDefinition[]>
  extends AggregateMethods,
    ProjectionMethods {
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
  append(
    writes: readonly StreamAppend[],
    options?: Pick<EventExtras, 'correlationId' | 'causationId' | 'metadata'>,
  ): Promise<Receipt>
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
  readonly deadLetters: DeadLetters
  readonly services: Services
  /** Resolves when services have finished. @throws {HodisaError} `timeout`, naming what is unfinished */
  settled(options?: SettledOptions): Promise<void>
  /**
   * What each service gets of order, delivery, deduplication and recovery as things are wired, why, and what weakens it. For
   * what this app defines and what the store knows; before the start as well as after. Changes nothing.
   */
  explain(): Promise<Explanation>
  /** Starts the services; resolves when their subscriptions are recorded. Safe to call twice. */
  start(): Promise<void>
  /** Lets running handlers finish (10 s by default), hands their shares over and closes the store. Safe to call twice. */
  stop(options?: { readonly timeout?: Duration }): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** The public face of `hodisa`. Engines are at `hodisa/sqlite` and `hodisa/memory`, tools for tests at `hodisa/testing`. */
export type {
  AggregateReference,
  DecidedFor,
  DecidedTogether,
  DecisionsFor,
  StatesOf,
} from './aggregate/app-types.ts'
export {
  type Aggregate,
  type AggregateOptions,
  type AnyAggregate,
  type Command,
  type CommandContext,
  type Decision,
  defineAggregate,
  type Evolve,
} from './aggregate/definition.ts'
export type { DecideOptions, ExecuteOptions, LoadOptions } from './aggregate/options.ts'
export { type Rejection, reject } from './aggregate/rejection.ts'
export type {
  Accepted,
  AggregateEvent,
  AggregateEventOf,
  CommandName,
  CommandResult,
  LoadedAggregate,
  Rejected,
  RejectionOf,
  ResultOf,
  StateOf,
} from './aggregate/types.ts'
export { hodisa } from './app.ts'
export type { App, HodisaOptions, Outbox, QueryConnection, Service, SqliteConnection } from './app-types.ts'
export { type CopyOptions, type CopyProgress, type CopyResult, copyStore } from './copy-store.ts'
export {
  type BatchContext,
  type BatchHandler,
  type Handler,
  type HandlerContext,
  PermanentError,
} from './delivery/context.ts'
export type { DeadLetterSelection } from './delivery/dead-letter-selection.ts'
export type { DeadLetter, DeadLetterFilter, DeadLetters } from './delivery/dead-letters.ts'
export type {
  Explanation,
  ExplanationWarning,
  HandlerExplanation,
  ProjectionExplanation,
  PromiseExplanation,
  ServiceExplanation,
  StoreExplanation,
  SubscriptionExplanation,
  WarningCode,
} from './delivery/explain/explanation.ts'
export { formatExplanation } from './delivery/explain/format.ts'
export type { From, PoisonPolicy, RetryOptions, ServiceOptions } from './delivery/options.ts'
export type { InstanceStatus, ServiceStatus, Services } from './delivery/services.ts'
export type { SettledOptions } from './delivery/settled.ts'
export { ERRORS, type ErrorCode, HodisaError, isHodisaError } from './errors.ts'
export type { EventContext } from './event/context.ts'
export {
  type AnyEventDefinition,
  type DataOf,
  defineEvent,
  type EventDefinition,
  type EventOptions,
  type InputOf,
  type PlainData,
  unchecked,
} from './event/definition.ts'
export type { Duration } from './event/duration.ts'
export type { IdMaker } from './event/id.ts'
export { systemEvents } from './event/system.ts'
export type { RecordedOf, TypeOf } from './event/typed.ts'
export type { EventExtras, EventKind, EventMetadata, NewEvent, RecordedEvent } from './event/types.ts'
export { type Dropped, dropped, type Split, splitInto, type Upcaster } from './event/upcasting.ts'
export type { Codec, CodecSubject } from './log/codec.ts'
export type { LogPlace, ReadOptions, TailOptions } from './log/read.ts'
export type { Transaction } from './log/transaction.ts'
export type { PublishOptions, StreamAppend } from './log/write.ts'
export type {
  ProjectionStatus,
  ProjectionTools,
  RebuildOptions,
  RebuildResult,
  VerifyResult,
} from './projection/admin.ts'
export type { ProjectionMethods } from './projection/app-types.ts'
export type { ViewDifference } from './projection/compare.ts'
export type { Condition, Where } from './projection/conditions.ts'
export { defineProjection } from './projection/definition.ts'
export type { FieldPath } from './projection/fields.ts'
export type { RebuildProgress } from './projection/meter.ts'
export { defineQuery, type Query, type QueryContext, type QueryOptions } from './projection/query.ts'
export type { FindOptions, ViewPage } from './projection/search.ts'
export type {
  ProjectedEvent,
  Projection,
  ProjectionHandler,
  ProjectionOptions,
  ViewWriter,
} from './projection/types.ts'
export type { View, ViewOptions } from './projection/view.ts'
export { stopOnSignals } from './signals.ts'
export type { ExpectedRevision, Receipt } from './store/events.ts'
export type { DeadLetterState, StoredError } from './store/groups.ts'
export type { Clock, Durability, Logger, SqlRows, SqlTag, StoreFactory } from './store/port.ts'

import type { NewEvent } from '../event/types.ts'
import type { Transaction } from '../log/transaction.ts'
import type { Logger } from '../store/port.ts'
import type { Effects } from './attempt.ts'

/** What a handler gets beside the event. */
export interface HandlerContext {
  /** 1 on the first try; it survives restarts. */
  readonly attempt: number
  /** The same for every attempt at this event by this service: hand it to what must act once. */
  readonly idempotencyKey: string
  /** Aborts when the attempt may go on no longer: timeout, lost share, or a stop that has run out of time. */
  readonly signal: AbortSignal
  /** Name of the service. */
  readonly service: string
  readonly logger: Logger
  /**
   * Commits the handler's writes, the events it publishes and the mark that it is done: together, or none of them. At most once
   * an attempt; when it resolves the event is done. Inside, await only `tx`.
   *
   * @throws {HodisaError} `lease-lost` when another instance has the event by now, `context-dead`, `already-committed`,
   * `commit-awaited-io`
   */
  commit(work?: (tx: Transaction) => Promise<void> | void): Promise<void>
  /** Events that are recorded together with the mark that this one is done, when the handler resolves. */
  publish(...events: readonly NewEvent[]): void
}

export interface BatchContext extends HandlerContext {
  /** {@link HandlerContext.idempotencyKey} of one event of the batch. */
  keyOf(event: { readonly id: string }): string
}

/** The same for the framework's own handlers, whose effects are more than SQL and events. */
export interface EffectContext extends BatchContext {
  /** Commits the effects and the mark that the events are done, as `commit` does. */
  record(effects: Effects): Promise<void>
}

export type Handler<Event> = (event: Event, ctx: HandlerContext) => void | Promise<void>
export type BatchHandler<Event> = (events: readonly Event[], ctx: BatchContext) => void | Promise<void>

/** Thrown by a handler that knows that trying again is of no use: the event is parked at once. */
export class PermanentError extends Error {
  override readonly name: string = 'PermanentError'
}

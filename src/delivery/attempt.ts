import { HodisaError } from '../errors.ts'
import type { NewEvent } from '../event/types.ts'
import { type Transaction, userWork } from '../log/transaction.ts'
import type { EventToAppend } from '../store/events.ts'
import type { Logger, Store, StoreTransaction } from '../store/port.ts'
import type { EffectContext } from './context.ts'

/** What all attempts of a service work with. */
export interface AttemptHost {
  readonly service: string
  readonly logger: Logger
  /** Validates and names what a handler publishes: the n-th event that follows from this one. */
  prepare(event: NewEvent, cause: string, ordinal: number): EventToAppend
}

/** What one attempt is about. */
export interface AttemptSubject {
  readonly attempt: number
  /** Of the event, or of the first one of a batch. */
  readonly eventId: string
  /** Writes the done mark, and the effects with it, in one transaction. */
  record(effects: Effects): Promise<void>
  /** `ctx.commit` went through. */
  committed(): void
}

/** What is committed together with the mark that an event is done, as the store takes it. */
export type Effects = NonNullable<Parameters<Store['progress']>[1]>

/** `done`: finished; `recorded` where the store has the done mark already. */
export interface AttemptDone {
  readonly recorded: boolean
}

/**
 * One run of a handler: its context, and what becomes of it. A context is dead once the attempt was killed or is over: then
 * `commit` and `publish` throw.
 */
export class Attempt {
  readonly #host: AttemptHost
  readonly #subject: AttemptSubject
  #ordinal = 0
  #state: 'open' | 'committing' | 'committed' | 'dead' | 'over' = 'open'
  #killedBy: unknown
  #abort: AbortController | undefined
  #commit: Promise<void> | undefined
  #published: EventToAppend[] = []

  constructor(host: AttemptHost, subject: AttemptSubject) {
    this.#host = host
    this.#subject = subject
  }

  get number(): number {
    return this.#subject.attempt
  }

  get idempotencyKey(): string {
    return this.keyOf(this.#subject.eventId)
  }

  get service(): string {
    return this.#host.service
  }

  get logger(): Logger {
    return this.#host.logger
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    return this.#abort.signal
  }

  keyOf(eventId: string): string {
    return `${this.#host.service}:${eventId}`
  }

  /** Ends the attempt from outside. Nothing happens to one that is committing: its fence decides. */
  kill(reason: unknown): void {
    if (this.#state === 'open') {
      this.#state = 'dead'
      this.#killedBy = reason
    }
    this.#abort ??= new AbortController()
    if (!this.#abort.signal.aborted) this.#abort.abort(reason)
  }

  /**
   * Runs the handler. Synchronous where the handler is, and publishes nothing; rejects with what made the attempt fail.
   */
  run(handler: (ctx: EffectContext) => void | Promise<void>): AttemptDone | Promise<AttemptDone> {
    let returned: void | Promise<void>
    try {
      returned = handler(new Context(this))
    } catch (error) {
      return this.#settle(Promise.reject(error))
    }
    if (!isPromiseLike(returned) && this.#commit === undefined && this.#published.length === 0) {
      this.#state = 'over'
      return { recorded: false }
    }
    return this.#settle(returned)
  }

  async #settle(returned: void | Promise<void>): Promise<AttemptDone> {
    try {
      await returned
    } catch (error) {
      // A commit that went through decides, whatever was thrown beside or after it.
      await this.#commit?.catch(() => undefined)
      if (this.#state !== 'committed') {
        const reason = this.#killedBy ?? error
        this.#end()
        throw reason
      }
      this.#host.logger.error(`service ${this.#host.service}: a handler threw after ctx.commit; the event is done`, {
        error: String(error),
        idempotencyKey: this.idempotencyKey,
      })
    }
    if (this.#commit !== undefined) {
      try {
        await this.#commit
      } finally {
        this.#end()
      }
      return { recorded: true }
    }
    if (this.#state === 'dead') throw this.#killedBy
    this.#state = 'over'
    if (this.#published.length === 0) return { recorded: false }
    await this.#subject.record(effectsOf(this.#published))
    return { recorded: true }
  }

  #inTransaction(work: (tx: Transaction) => Promise<void> | void) {
    const run = userWork(work, (event) => this.#prepare(event))
    return async (tx: StoreTransaction) => {
      const { append } = effectsOf((await run(tx)).events)
      if (append !== undefined) tx.append(append)
    }
  }

  #end(): void {
    this.#state = 'over'
  }

  #assertOpen(call: string): void {
    if (this.#state === 'open') return
    const committed = this.#state === 'committing' || this.#state === 'committed'
    throw new HodisaError(
      committed ? 'already-committed' : 'context-dead',
      `service ${this.#host.service}: ${call} after this attempt ${committed ? 'committed' : 'was over'}`,
      { service: this.#host.service, idempotencyKey: this.idempotencyKey },
      this.#killedBy,
    )
  }

  publish(events: readonly NewEvent[]): void {
    this.#assertOpen('ctx.publish')
    for (const event of events) this.#published.push(this.#prepare(event))
  }

  commit(work: ((tx: Transaction) => Promise<void> | void) | undefined): Promise<void> {
    return this.record(() => effectsOf(this.#published, work && this.#inTransaction(work)))
  }

  record(effects: () => Effects): Promise<void> {
    try {
      this.#assertOpen('ctx.commit')
    } catch (error) {
      return Promise.reject(error)
    }
    this.#state = 'committing'
    this.#commit = this.#subject.record(effects()).then(
      () => {
        this.#state = 'committed'
        this.#subject.committed()
      },
      (error) => {
        this.#state = 'dead'
        this.#killedBy = error
        this.kill(error)
        throw error
      },
    )
    this.#commit.catch(() => undefined) // seen in #settle, whether the handler awaits it or not
    return this.#commit
  }

  #prepare(event: NewEvent): EventToAppend {
    return this.#host.prepare(event, this.#subject.eventId, this.#ordinal++)
  }
}

/** What the handler holds. Its functions may be taken off it; they are made when they are asked for, which is seldom. */
class Context implements EffectContext {
  readonly #attempt: Attempt

  constructor(attempt: Attempt) {
    this.#attempt = attempt
  }

  get attempt(): number {
    return this.#attempt.number
  }

  get idempotencyKey(): string {
    return this.#attempt.idempotencyKey
  }

  get service(): string {
    return this.#attempt.service
  }

  get logger(): Logger {
    return this.#attempt.logger
  }

  get signal(): AbortSignal {
    return this.#attempt.signal
  }

  get keyOf(): EffectContext['keyOf'] {
    const attempt = this.#attempt
    return ({ id }) => attempt.keyOf(id)
  }

  get publish(): EffectContext['publish'] {
    const attempt = this.#attempt
    return (...events) => attempt.publish(events)
  }

  get commit(): EffectContext['commit'] {
    const attempt = this.#attempt
    return (work) => attempt.commit(work)
  }

  get record(): EffectContext['record'] {
    const attempt = this.#attempt
    return (effects) => attempt.record(() => effects)
  }
}

function effectsOf(events: readonly EventToAppend[], work?: (tx: StoreTransaction) => Promise<void>): Effects {
  return {
    ...(events.length > 0 && { append: { events, conditions: [], onReuse: 'keep-first' as const } }),
    ...(work !== undefined && { work }),
  }
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

import { HodisaError } from '../errors.ts'
import type { NewEvent } from '../event/types.ts'
import { type Transaction, userWork } from '../log/transaction.ts'
import type { EventToAppend } from '../store/events.ts'
import type { Logger, Store, StoreTransaction } from '../store/port.ts'
import type { BatchContext } from './context.ts'

/** What one attempt is given to work with. */
export interface AttemptHost {
  readonly service: string
  readonly attempt: number
  readonly idempotencyKey: string
  readonly logger: Logger
  keyOf(event: { readonly id: string }): string
  /** Validates and names what the handler publishes. */
  prepare(event: NewEvent): EventToAppend
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
  #state: 'open' | 'committing' | 'committed' | 'dead' | 'over' = 'open'
  #killedBy: unknown
  #abort: AbortController | undefined
  #commit: Promise<void> | undefined
  #published: EventToAppend[] = []

  constructor(host: AttemptHost) {
    this.#host = host
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
  run(handler: (ctx: BatchContext) => void | Promise<void>): AttemptDone | Promise<AttemptDone> {
    let returned: void | Promise<void>
    try {
      returned = handler(this.#context())
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
        idempotencyKey: this.#host.idempotencyKey,
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
    await this.#host.record(effectsOf(this.#published))
    return { recorded: true }
  }

  #inTransaction(work: (tx: Transaction) => Promise<void> | void) {
    const run = userWork(work, (event) => this.#host.prepare(event))
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
      { service: this.#host.service, idempotencyKey: this.#host.idempotencyKey },
      this.#killedBy,
    )
  }

  #context(): BatchContext {
    const host = this.#host
    const signal = () => {
      this.#abort ??= new AbortController()
      return this.#abort.signal
    }
    return {
      attempt: host.attempt,
      idempotencyKey: host.idempotencyKey,
      service: host.service,
      logger: host.logger,
      get signal() {
        return signal()
      },
      keyOf: (event) => host.keyOf(event),
      publish: (...events) => {
        this.#assertOpen('ctx.publish')
        for (const event of events) this.#published.push(host.prepare(event))
      },
      commit: (work) => {
        try {
          this.#assertOpen('ctx.commit')
        } catch (error) {
          return Promise.reject(error)
        }
        this.#state = 'committing'
        this.#commit = host.record(effectsOf(this.#published, work && this.#inTransaction(work))).then(
          () => {
            this.#state = 'committed'
            host.committed()
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
      },
    }
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

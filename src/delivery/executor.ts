import { HodisaError } from '../errors.ts'
import { inContext } from '../event/context.ts'
import type { RecordedEvent } from '../event/types.ts'
import { derivedPreparer } from '../log/transaction.ts'
import type { StoredEvent } from '../store/events.ts'
import { Attempt, type AttemptDone, type AttemptHost } from './attempt.ts'
import type { BatchContext } from './context.ts'
import type { ServiceCore } from './core.ts'
import type { Route } from './routes.ts'

/** How long after its timeout a handler may take to notice, before its bucket is given up. Ms. */
export const STUCK_AFTER = 10_000

/** One attempt to be made. */
export interface Task {
  readonly route: Route
  /** One event, or the events of a batch. */
  readonly events: readonly [StoredEvent, ...StoredEvent[]]
  readonly attempt: number
  readonly record: AttemptHost['record']
  /** The handler has ignored its signal for {@link STUCK_AFTER}; `ended` settles if it ever does. */
  onStuck(ended: Promise<unknown>): void
}

/** Runs handlers: with a context, in the causal context of their event, for as long as they may take. */
export class Executor {
  readonly #core: ServiceCore
  readonly #running = new Map<Attempt, Task>()

  constructor(core: ServiceCore) {
    this.#core = core
  }

  /** Synchronous where everything about the attempt is. Rejects with what made it fail; may throw the same. */
  run(task: Task): AttemptDone | Promise<AttemptDone> {
    const events = task.events.map((stored) => this.#core.decoder.decode(stored))
    return events.some((event) => event instanceof Promise)
      ? Promise.all(events).then((decoded) => this.#run(task, decoded))
      : this.#run(task, events as RecordedEvent[])
  }

  /** Ends the attempts whose task is chosen: their contexts are dead from now on. */
  kill(reason: unknown, chosen: (task: Task) => boolean = () => true): void {
    for (const [attempt, task] of this.#running) if (chosen(task)) attempt.kill(reason)
  }

  #run(task: Task, events: readonly RecordedEvent[]): AttemptDone | Promise<AttemptDone> {
    const { service, logger, preparer } = this.#core
    const [first] = task.events
    const keyOf = ({ id }: { readonly id: string }) => `${service}:${id}`
    const attempt = new Attempt({
      service,
      logger,
      attempt: task.attempt,
      idempotencyKey: keyOf(first),
      keyOf,
      prepare: derivedPreparer(preparer, service, first.id),
      record: task.record,
    })
    const outcome = inContext(causeOf(first, events[0]), () => attempt.run((ctx) => call(task.route, events, ctx)))
    return outcome instanceof Promise ? this.#timed(attempt, task, outcome) : outcome
  }

  async #timed(attempt: Attempt, task: Task, outcome: Promise<AttemptDone>): Promise<AttemptDone> {
    const { clock, logger, options, service } = this.#core
    const [{ id, type }] = task.events
    this.#running.set(attempt, task)
    let cancel = clock.after(options.timeout, () => {
      attempt.kill(
        new HodisaError(
          'handler-timeout',
          `service ${service}: the handler of ${type} took longer than ${options.timeout} ms`,
          {
            service,
            id,
            type,
            timeout: options.timeout,
          },
        ),
      )
      cancel = clock.after(STUCK_AFTER, () => {
        const stuck = new HodisaError('handler-stuck', `service ${service}: a handler of ${type} ignores its signal`, {
          service,
          id,
          type,
        })
        logger.error(stuck.message, { code: stuck.code, fix: stuck.fix, ...stuck.details })
        task.onStuck(outcome)
      })
    })
    try {
      return await outcome
    } finally {
      cancel()
      this.#running.delete(attempt)
    }
  }
}

function call(route: Route, events: readonly RecordedEvent[], ctx: BatchContext): void | Promise<void> {
  if (route.mode === 'batch') return route.handler(events, ctx)
  const [event] = events
  return event === undefined ? undefined : route.handler(event, ctx)
}

/** What is published while handling an event follows from it. */
function causeOf(stored: StoredEvent, event: RecordedEvent | undefined) {
  const { traceparent, tracestate } = event?.metadata ?? {}
  return {
    correlationId: stored.correlationId,
    causationId: stored.id,
    ...(traceparent !== undefined && { traceparent }),
    ...(tracestate !== undefined && { tracestate }),
  }
}

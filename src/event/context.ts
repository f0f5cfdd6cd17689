import { AsyncLocalStorage } from 'node:async_hooks'

/** What travels by itself from a cause to all that follows from it. */
export interface EventContext {
  readonly correlationId?: string
  readonly causationId?: string
  readonly traceparent?: string
  readonly tracestate?: string
}

// One for the process, so that what a handler of one app does through another app is still traced to its cause.
const storage = new AsyncLocalStorage<EventContext>()

/** Runs `work` so that whatever it publishes carries `context`; what `context` leaves out is inherited. */
export function withContext<Result>(context: EventContext, work: () => Result): Result {
  return storage.run({ ...storage.getStore(), ...context }, work)
}

/** Runs `work` in exactly this context: nothing is inherited. */
export function inContext<Result>(context: EventContext, work: () => Result): Result {
  return storage.run(context, work)
}

export function currentContext(): EventContext {
  return storage.getStore() ?? {}
}

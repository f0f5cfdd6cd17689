import { HodisaError } from '../errors.ts'
import { inContext } from '../event/context.ts'
import { derivedId } from '../event/id.ts'
import { systemEvents } from '../event/system.ts'
import type { RecordedEvent } from '../event/types.ts'
import type { StoredEvent } from '../store/events.ts'
import { Attempt, type AttemptDone, type AttemptHost, type AttemptSubject, type Effects } from './attempt.ts'
import type { EffectContext } from './context.ts'
import type { ServiceCore } from './core.ts'
import type { Guard } from './guard.ts'
import { CannotHandle, PartsProgress } from './parts.ts'
import type { Route } from './routes.ts'
import type { Share, Shares } from './shares.ts'
import { Turns } from './turns.ts'

/** How long after its timeout a handler may take to notice, before its bucket is given up. Ms. */
export const STUCK_AFTER = 10_000

/** One attempt to be made. */
export interface Task {
  readonly route: Route
  /** One event, or the events of a batch. */
  readonly events: readonly [StoredEvent, ...StoredEvent[]]
  readonly attempt: number
  readonly record: AttemptSubject['record']
  /** The handler has ignored its signal for {@link STUCK_AFTER}; `ended` settles if it ever does. */
  onStuck(ended: Promise<unknown>): void
}

/** Runs handlers: with a context, in the causal context of their event, for as long as they may take. */
export class Executor {
  readonly #core: ServiceCore
  readonly #host: AttemptHost
  readonly #guard: Guard
  readonly #shares: Shares
  readonly #mayStart: () => boolean
  readonly #running = new Map<Attempt, Task>()
  readonly #turns = new Turns()
  readonly #parts: PartsProgress

  constructor(core: ServiceCore, guard: Guard, shares: Shares, mayStart: () => boolean) {
    this.#core = core
    const { service, logger, preparer } = core
    this.#host = {
      service,
      logger,
      prepare: (event, cause, ordinal) => preparer.prepareNow(event, { id: derivedId('evt', service, cause, ordinal) }),
    }
    this.#parts = new PartsProgress(core.store, service)
    this.#guard = guard
    this.#shares = shares
    this.#mayStart = mayStart
  }

  /** Synchronous where everything about the attempt is. Rejects with what made it fail; may throw the same. */
  run(task: Task): AttemptDone | Promise<AttemptDone> {
    return this.#guard.isActive || this.#turns.isTaken ? this.#guarded(task) : this.#start(task)
  }

  /** Begins with care what may kill the process. */
  async #guarded(task: Task): Promise<AttemptDone> {
    const [first, ...rest] = task.events
    const held = task.events.map(({ bucket }) => this.#shares.get(bucket))
    const start = () => {
      const lost = held.some((share) => share === undefined || this.#shares.get(share.bucket) !== share)
      if (!lost && this.#mayStart()) return this.#start(task)
      throw this.#lost(first)
    }
    const cares = new Set(task.events.map((event) => this.#guard.careOf(event)))
    if (cares.has('killer') || cares.has('alone')) {
      // A batch is halved until the suspect is by itself.
      if (rest.length > 0)
        throw new Error(`${first.type} ${first.id}: the batch holds an event that may end the process`)
      if (cares.has('killer')) throw await this.#guard.convict(first)
      return this.#turns.alone(async () => {
        await this.#guard.begin(task.events, true)
        try {
          return await start()
        } finally {
          await this.#guard.survived(first)
        }
      })
    }
    return this.#turns.together(async () => {
      if (cares.has('careful')) await this.#guard.begin(task.events, false)
      return start()
    })
  }

  #start(task: Task): AttemptDone | Promise<AttemptDone> {
    const { decoder } = this.#core
    const [first, ...rest] = task.events
    const parts = decoder.parts(first)
    if (rest.length === 0 && !(parts instanceof Promise)) {
      const usual = parts.length === 1 && parts[0]?.id === first.id
      return usual ? this.#run(task, parts) : this.#handle(task, [parts])
    }
    const all = [parts, ...rest.map((stored) => decoder.parts(stored))]
    return all.some((one) => one instanceof Promise)
      ? Promise.all(all).then((decoded) => this.#handle(task, decoded))
      : this.#handle(task, all as (readonly RecordedEvent[])[])
  }

  /** @param parts what each event of the task is seen as */
  #handle(task: Task, parts: readonly (readonly RecordedEvent[])[]): AttemptDone | Promise<AttemptDone> {
    const { oneLane } = this.#core
    // In one lane a batch stays whole: its handler takes the parts as they come.
    const split =
      oneLane !== undefined
        ? -1
        : task.events.findIndex(({ id }, index) => parts[index]?.some((part) => part.id !== id))
    if (split >= 0) {
      if (task.events.length === 1) return this.#inParts(task, parts.flat())
      // A batch is halved until the event is by itself.
      throw new Error(`${task.events[split]?.type} ${task.events[split]?.id} was split, and takes a turn of its own`)
    }
    const events = parts.flat()
    if (events.length === 0) return { recorded: false } // dropped: nobody is to see them
    return this.#run(task, events)
  }

  /** One part after the other, each with a context of its own; what a part has done is written down before the next one begins. */
  async #inParts(task: Task, parts: readonly RecordedEvent[]): Promise<AttemptDone> {
    const { store, service, instance, routes } = this.#core
    const [stored] = task.events
    const share = this.#shares.get(stored.bucket)
    const handled = parts.flatMap((event, index) => {
      const route = event.id === stored.id ? task.route : routes.find(event.type)
      if (route !== undefined) return [{ event, route, index }]
      if (this.#shares.covers(event.type)) throw new CannotHandle(event)
      return [] // the service does not subscribe to it
    })
    const finished = await this.#parts.finished(stored)
    const left = handled.filter(({ index }) => index >= finished)
    for (const { event, route, index } of left.slice(0, -1)) {
      const record = async (effects: Effects) => {
        if (share === undefined) throw this.#lost(stored)
        await store.progress(
          { service, instance: instance(), fences: [share] },
          this.#parts.with(effects, stored, index + 1),
        )
      }
      this.#assertHeld(share, stored)
      const { recorded } = await this.#run({ ...task, route, record }, [event])
      if (!recorded) await record({})
    }
    const last = left.at(-1)
    const record = (effects: Effects) => task.record(this.#parts.with(effects, stored, 'done'))
    this.#assertHeld(share, stored)
    const done = last === undefined ? undefined : await this.#run({ ...task, route: last.route, record }, [last.event])
    if (done?.recorded !== true) await record({})
    return { recorded: true }
  }

  #assertHeld(share: Share | undefined, stored: StoredEvent): void {
    if (share === undefined || this.#shares.get(stored.bucket) !== share || !this.#mayStart()) throw this.#lost(stored)
  }

  #lost({ type }: StoredEvent): HodisaError {
    return new HodisaError('lease-lost', `service ${this.#core.service}: the bucket was lost while ${type} waited`)
  }

  /** Ends the attempts whose task is chosen: their contexts are dead from now on. */
  kill(reason: unknown, chosen: (task: Task) => boolean = () => true): void {
    for (const [attempt, task] of this.#running) if (chosen(task)) attempt.kill(reason)
  }

  #run(task: Task, events: readonly RecordedEvent[]): AttemptDone | Promise<AttemptDone> {
    const [first] = task.events
    const { route, attempt: number } = task
    const attempt = new Attempt(this.#host, {
      attempt: number,
      eventId: events[0]?.id ?? first.id,
      record: (effects) => task.record(effects),
      committed: () => {
        route.usage.commits++
      },
    })
    const outcome = inContext(causeOf(first, events[0]), () => attempt.run((ctx) => call(route, events, ctx)))
    return outcome instanceof Promise ? this.#timed(attempt, task, outcome) : outcome
  }

  async #timed(attempt: Attempt, task: Task, outcome: Promise<AttemptDone>): Promise<AttemptDone> {
    const { clock, logger, options, service } = this.#core
    const [{ id, type }] = task.events
    this.#running.set(attempt, task)
    const leave = this.#turns.enter()
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
        leave()
        void this.#core.system.say(systemEvents.handlerStuck({ service, eventId: id, type }), { about: type })
        task.onStuck(outcome)
      })
    })
    try {
      return await outcome
    } finally {
      cancel()
      this.#running.delete(attempt)
      leave()
    }
  }
}

function call(route: Route, events: readonly RecordedEvent[], ctx: EffectContext): void | Promise<void> {
  route.usage.attempts++
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

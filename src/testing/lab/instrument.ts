import type { App } from '../../app-types.ts'
import type { BatchContext, BatchHandler, Handler, HandlerContext } from '../../delivery/context.ts'
import type { RecordedEvent } from '../../event/types.ts'
import { type Faults, machineTime } from './faults.ts'
import type { Lines } from './lines.ts'

/** An app whose handlers say when they begin and end, and whose commits leave an effect. */
export function instrumented(app: App, lines: Lines, faults: Faults): App {
  let runs = 0

  async function watched(
    service: string,
    events: readonly RecordedEvent[],
    ctx: BatchContext,
    work: (ctx: BatchContext) => void | Promise<void>,
  ): Promise<void> {
    const first = runs + 1
    const checked = faults.lookedAt
    const begin = machineTime()
    const batch = events.length > 1 ? first : null
    for (const { position } of events) {
      lines.write(['b', ++runs, service, position, ctx.attempt, begin, checked, batch])
    }
    const said = (what: string, ...more: unknown[]) => {
      for (let run = first; run < first + events.length; run++) lines.write([what, run, machineTime(), ...more])
    }
    try {
      faults.reach('handler.before')
      await work(committing(service, events, ctx))
      said('e')
      faults.reach('handler.after')
    } catch (error) {
      said('f', String(error))
      throw error
    }
  }

  return new Proxy(app, {
    get(_, property) {
      const value: unknown = Reflect.get(app, property, app)
      if (property !== 'service') return typeof value === 'function' ? value.bind(app) : value
      return (...args: Parameters<App['service']>) => {
        const service = app.service(...args)
        const on: typeof service.on = (what, handler, options) => {
          const inner = handler as Handler<RecordedEvent>
          const outer: Handler<RecordedEvent> = (event, ctx) =>
            watched(service.name, [event], ctx as BatchContext, (own) => inner(event, own))
          service.on(what, outer as typeof handler, options)
          return instrumentedService
        }
        const onBatch: typeof service.onBatch = (what, options, handler) => {
          const inner = handler as BatchHandler<RecordedEvent>
          const outer: BatchHandler<RecordedEvent> = (events, ctx) =>
            watched(service.name, events, ctx, (own) => inner(events, own))
          service.onBatch(what, options, outer as typeof handler)
          return instrumentedService
        }
        const instrumentedService: typeof service = { name: service.name, on, onBatch }
        return instrumentedService
      }
    },
  })
}

/** The context, whose commit also writes an effect for each event. */
function committing(service: string, events: readonly RecordedEvent[], ctx: BatchContext): BatchContext {
  const commit: HandlerContext['commit'] = (work) =>
    ctx.commit(async (tx) => {
      for (const { position } of events) {
        const at = machineTime()
        await tx.sql`insert into lab_effects (service, position, at) values (${service}, ${position}, ${at})`
      }
      await work?.(tx)
    })
  return new Proxy(ctx, {
    get(_, name) {
      if (name === 'commit') return commit
      const value: unknown = Reflect.get(ctx, name, ctx)
      return typeof value === 'function' ? value.bind(ctx) : value
    },
  })
}

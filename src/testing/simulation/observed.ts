import type { App, Service } from '../../app-types.ts'
import type { BatchContext } from '../../delivery/context.ts'
import type { RecordedEvent } from '../../event/types.ts'
import type { SimulatedProcess } from './process.ts'
import type { Referee, Running } from './referee.ts'

type AnyHandler = (what: RecordedEvent | readonly RecordedEvent[], ctx: BatchContext) => void | Promise<void>

/** The same app, whose handlers tell the referee when they begin and end. */
export function observed<Observed extends object>(
  app: Observed,
  process: SimulatedProcess,
  referee: Referee,
): Observed {
  return new Proxy(app, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (name !== 'service' || typeof value !== 'function') {
        return typeof value === 'function' ? value.bind(target) : value
      }
      return (...args: Parameters<App['service']>) => {
        const service = (value as App['service']).apply(target, args)
        return observedService(service as Service<readonly never[]>, (handler) =>
          watching(handler, process, referee, service.name),
        )
      }
    },
  })
}

function observedService(service: Service<readonly never[]>, wrap: (handler: AnyHandler) => AnyHandler) {
  const { on, onBatch } = service as unknown as Record<'on' | 'onBatch', (...args: unknown[]) => unknown>
  const face = {
    name: service.name,
    on(what: unknown, handler: AnyHandler, options: unknown) {
      on.call(service, what, wrap(handler), options)
      return face
    },
    onBatch(what: unknown, options: unknown, handler: AnyHandler) {
      onBatch.call(service, what, options, wrap(handler))
      return face
    },
  }
  return face
}

function watching(handler: AnyHandler, process: SimulatedProcess, referee: Referee, service: string): AnyHandler {
  if (typeof handler !== 'function') return handler
  return (what, ctx) => {
    const running = referee.begin(
      process,
      service,
      [what].flat().map(({ position }) => position),
    )
    let returned: void | Promise<void>
    try {
      returned = handler(what, telling(ctx, running))
    } catch (error) {
      referee.end(service, running, false)
      throw error
    }
    if (!(returned instanceof Promise)) {
      referee.end(service, running, true)
      return
    }
    return returned.then(
      () => referee.end(service, running, true),
      (error) => {
        referee.end(service, running, false)
        throw error
      },
    )
  }
}

/** Notes when the store decides whether the attempt is done. */
function telling(ctx: BatchContext, running: Running): BatchContext {
  return new Proxy(ctx, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (name !== 'commit' && name !== 'publish') return value.bind(target)
      return (...args: unknown[]) => {
        running.recorded = true
        return Reflect.apply(value, target, args)
      }
    },
  })
}

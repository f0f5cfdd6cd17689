import { HodisaError } from '../errors.ts'
import type { NewEvent } from '../event/types.ts'
import type { BoundAggregate } from './bound.ts'
import type { AnyAggregate } from './definition.ts'
import { Rejection } from './rejection.ts'

/**
 * What a command returned, as a list of events or a rejection.
 *
 * @param who the command, for the error
 * @throws {HodisaError} `invalid-decision` for anything that the aggregate may not record
 */
export function decided(
  { name, events: declared }: AnyAggregate,
  who: string,
  returned: unknown,
): readonly NewEvent[] | Rejection {
  if (returned === undefined || returned === null) return []
  if (Rejection.is(returned)) return returned
  const events: readonly unknown[] = Array.isArray(returned) ? returned : [returned]
  return events.map((event) => {
    if (!isNewEvent(event)) {
      const shown = Rejection.is(event) ? 'a rejection in a list' : typeof event
      throw invalid(name, who, `returned ${shown}, where events, reject(…) or nothing may stand`)
    }
    if (!declared.some(({ type }) => type === event.type)) {
      throw invalid(name, who, `returned an event ${event.type}, which is none of the aggregate's`, event.type)
    }
    for (const option of ['id', 'key', 'stream'] as const) {
      if (event.extras?.[option] === undefined) continue
      throw invalid(name, who, `gave event ${event.type} a ${option} of its own, which the aggregate gives`, event.type)
    }
    return event
  })
}

/** An event that its own definition would put elsewhere is not about this aggregate. */
export function assertOwn(bound: BoundAggregate, who: string, type: string, data: unknown, stream: string): void {
  const definition = bound.definition(type)
  if (definition?.streamId === undefined) return
  const own = `${definition.category}-${definition.streamId(data as never)}`
  if (own === stream) return
  throw invalid(bound.name, who, `returned an event ${type} about ${own}, and was executed on ${stream}`, type)
}

function isNewEvent(value: unknown): value is NewEvent {
  return typeof value === 'object' && value !== null && typeof (value as NewEvent).type === 'string'
}

export function invalid(aggregate: string, who: string, message: string, type?: string): HodisaError {
  return new HodisaError('invalid-decision', `aggregate ${aggregate}: ${who} ${message}`, {
    aggregate,
    ...(type !== undefined && { type }),
  })
}

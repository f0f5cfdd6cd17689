import { anyOf, parsePattern } from '../event/pattern.ts'
import { keyOf, type StoredEvent } from './events.ts'
import type { LogFilter } from './port.ts'

/** Undefined where any type will do. */
export function anyType(types: readonly string[] | undefined): ((type: string) => boolean) | undefined {
  return types === undefined ? undefined : anyOf(types.map(parsePattern))
}

/** Whether an event is one that the filter asks for. */
export function matcherOf(filter: LogFilter): (event: StoredEvent) => boolean {
  const { buckets, correlationId, causationId, streams, key } = filter
  const ofType = anyType(filter.types)
  const names = streams === undefined ? undefined : new Set(streams)
  return (event) =>
    (ofType === undefined || ofType(event.type)) &&
    (buckets === undefined || buckets.has(event.bucket)) &&
    (correlationId === undefined || event.correlationId === correlationId) &&
    (causationId === undefined || event.causationId === causationId) &&
    (key === undefined || keyOf(event) === key) &&
    (names === undefined || (event.stream !== null && names.has(event.stream)))
}

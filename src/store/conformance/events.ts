import { randomUUID } from 'node:crypto'
import { bucketOf } from '../../event/bucket.ts'
import { fingerprint } from '../../event/json.ts'
import {
  type AppendCondition,
  type AppendRequest,
  type EventToAppend,
  type ExpectedRevision,
  keyOf,
} from '../events.ts'

/** An event of no stream with an id of its own, but for what is given. Its bucket follows from its key. */
export function anEvent(given: Partial<EventToAppend> = {}): EventToAppend {
  const event: EventToAppend = {
    id: `evt_${randomUUID()}`,
    fingerprint: null,
    type: 'thing.happened',
    version: 1,
    kind: 'domain',
    timestamp: 1_700_000_000_000,
    stream: null,
    key: null,
    bucket: 0,
    source: 'conformance',
    correlationId: 'cor_1',
    causationId: null,
    metadata: null,
    data: '{"n":1}',
    tenant: null,
    subject: null,
    tags: null,
    encoding: null,
    expiresAt: null,
    ...given,
  }
  return { ...event, bucket: given.bucket ?? bucketOf(keyOf(event)) }
}

/** An event whose id the caller chose. */
export function identified(id: string, data = '{"n":1}', given: Partial<EventToAppend> = {}): EventToAppend {
  const event = anEvent({ ...given, id, data })
  return { ...event, fingerprint: given.fingerprint ?? fingerprint([event.type, event.stream, event.key, data]) }
}

/** `count` events of one stream. */
export function eventsOf(stream: string, count: number, given: Partial<EventToAppend> = {}): EventToAppend[] {
  return Array.from({ length: count }, (_, index) => anEvent({ stream, data: `{"n":${index + 1}}`, ...given }))
}

export function expecting(stream: string, expected: ExpectedRevision): AppendCondition {
  return { kind: 'expectedRevision', stream, expected }
}

/** An append of these events, on these conditions. */
export function append(
  events: readonly EventToAppend[] | EventToAppend,
  conditions: readonly AppendCondition[] = [],
  onReuse: AppendRequest['onReuse'] = 'refuse',
): AppendRequest {
  return { events: [events].flat(), conditions, onReuse }
}

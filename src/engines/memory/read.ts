import { anyOf, parsePattern } from '../../event/pattern.ts'
import { keyOf, type StoredEvent } from '../../store/events.ts'
import type { LogFilter, LogPage, LogQuery, StreamQuery } from '../../store/port.ts'
import type { Log } from './log.ts'
import { firstWhere } from './search.ts'
import { rangesOf } from './token.ts'

const PAGE_UNITS = 4 * 1024 * 1024
// A page that matches little ends here, so that a rare filter does not hold the event loop.
const PAGE_SCAN = 20_000

export function readLog(log: Log, query: LogQuery): LogPage {
  const matches = filterOf(query)
  const after = query.after ?? 0
  const until = Math.min(query.until ?? log.head, log.head)
  const low = firstWhere(log.events, (event) => event.position > after)
  const high = firstWhere(log.events, (event) => event.position > until)
  const range = Math.max(0, high - low)

  const events: StoredEvent[] = []
  let units = 0
  let looked = 0
  while (looked < Math.min(range, PAGE_SCAN) && events.length < query.limit && units < PAGE_UNITS) {
    const event = log.events[query.backwards ? high - 1 - looked : low + looked]
    looked++
    if (event === undefined || !matches(event)) continue
    events.push(event)
    units += event.data.length
  }
  if (looked === range) {
    return { events, scanned: query.backwards ? after + 1 : Math.max(after, until), end: true }
  }
  const last = log.events[query.backwards ? high - looked : low + looked - 1]
  // Nothing was looked at (limit 0): the query starts where it stood.
  const start = query.backwards ? until + 1 : after
  return { events, scanned: looked === 0 ? start : (last?.position ?? start), end: false }
}

function filterOf(filter: LogFilter): (event: StoredEvent) => boolean {
  const checks: ((event: StoredEvent) => boolean)[] = []
  const { types, buckets, correlationId, causationId, streams, key } = filter
  if (types !== undefined) {
    const typeMatches = anyOf(types.map(parsePattern))
    checks.push((event) => typeMatches(event.type))
  }
  if (buckets !== undefined) checks.push((event) => buckets.has(event.bucket))
  if (correlationId !== undefined) checks.push((event) => event.correlationId === correlationId)
  if (causationId !== undefined) checks.push((event) => event.causationId === causationId)
  if (key !== undefined) checks.push((event) => keyOf(event) === key)
  if (streams !== undefined) {
    const names = new Set(streams)
    checks.push((event) => event.stream !== null && names.has(event.stream))
  }
  return (event) => checks.every((check) => check(event))
}

export function readStream(log: Log, query: StreamQuery): readonly StoredEvent[] {
  const { from = 1, to = Number.POSITIVE_INFINITY, recordedUntil = Number.POSITIVE_INFINITY, limit } = query
  const events = log.stream(query.stream)
  const low = firstWhere(events, (event) => (event.revision ?? 0) >= from)
  const high = firstWhere(events, (event) => (event.revision ?? 0) > to || event.recordedAt > recordedUntil)
  if (high <= low) return []
  return query.backwards
    ? events.slice(Math.max(low, high - limit), high).reverse()
    : events.slice(low, Math.min(high, low + limit))
}

/** The last position recorded at or before `time`. */
export function positionAt(log: Log, time: number): number {
  return log.events[firstWhere(log.events, (event) => event.recordedAt > time) - 1]?.position ?? 0
}

export function resolve(log: Log, token: string): { bucket: number; type: string; position: number }[] | undefined {
  const found: { bucket: number; type: string; position: number }[] = []
  for (const { from, to } of rangesOf(token)) {
    if (to > log.head) return undefined
    for (let position = from; position <= to; position++) {
      const event = log.at(position)
      if (event !== undefined) found.push({ bucket: event.bucket, type: event.type, position })
    }
  }
  return found
}

import { parsePattern } from '../../event/pattern.ts'
import { checkHandling } from './check-handling.ts'
import type { History, Logged, Violation } from './history.ts'

/** Seconds within which the share of a killed or frozen process must be somebody else's. */
export const LONGEST_TAKEOVER = 10

/** Everything in a history that breaks a promise. Pure; empty for a sound one. */
export function check(history: History): Violation[] {
  return [
    ...checkAcknowledged(history),
    ...checkLog(history),
    ...history.services.flatMap((service) => [...checkHandling(history, service, wantedBy(history, service))]),
    ...checkFollowUps(history),
    ...checkEnd(history),
    ...checkTakeovers(history),
  ]
}

/** The events a service has to handle, in log order. */
function wantedBy({ log }: History, { subscriptions }: History['services'][number]): Logged[] {
  const parsed = subscriptions.map(({ pattern, since }) => ({ since, matches: parsePattern(pattern).matches }))
  return log.filter(({ type, position }) => parsed.some((one) => position > one.since && one.matches(type)))
}

/** Whatever a publisher was told of is there, whole, and every try was told the same. */
function* checkAcknowledged({ acknowledged, log }: History): Generator<Violation> {
  const byId = new Map(log.map((event) => [event.id, event]))
  const first = new Map<number, string>()
  for (const { number, ids, streams } of acknowledged) {
    const missing = ids.filter((id) => !byId.has(id))
    if (missing.length > 0) {
      yield { kind: 'lost', what: `publication ${number} was acknowledged; the log lacks ${missing.join(', ')}` }
      if (missing.length < ids.length) {
        yield { kind: 'torn-append', what: `of publication ${number} only a part is in the log` }
      }
    }
    for (const { stream, revision } of streams) {
      const last = ids.findLast((id) => byId.get(id)?.stream === stream)
      const found = last === undefined ? undefined : byId.get(last)?.revision
      if (found === undefined || found === revision) continue
      yield { kind: 'stream-order', what: `publication ${number}: ${stream} is at ${found}, not ${revision} as told` }
    }
    const told = JSON.stringify([ids, streams])
    const before = first.get(number)
    first.set(number, before ?? told)
    if (before !== undefined && before !== told) {
      yield { kind: 'receipt-changed', what: `publication ${number}: first ${before}, then ${told}` }
    }
  }
}

/** Every id once; positions rise; the revisions of each stream are 1, 2, 3 … in log order. */
function* checkLog({ log }: History): Generator<Violation> {
  const ids = new Map<string, number>()
  const revisions = new Map<string, number>()
  let last = 0
  for (const { id, position, stream, revision } of log) {
    if (position <= last) yield { kind: 'stream-order', what: `position ${position} comes after ${last}` }
    last = position
    const before = ids.get(id)
    if (before !== undefined) yield { kind: 'duplicate-event', what: `${id} is at ${before} and at ${position}` }
    ids.set(id, position)
    if (stream === undefined) continue
    const expected = (revisions.get(stream) ?? 0) + 1
    if (revision !== expected) {
      yield { kind: 'stream-order', what: `${stream} at position ${position}: revision ${revision}, not ${expected}` }
    }
    revisions.set(stream, revision ?? expected)
  }
}

function* checkFollowUps({ log, followUps }: History): Generator<Violation> {
  for (const { of, type } of followUps) {
    const count = new Map<string, number>()
    for (const event of log) {
      if (event.type !== type || event.causationId === undefined) continue
      count.set(event.causationId, (count.get(event.causationId) ?? 0) + 1)
    }
    for (const { id, type: cause } of log) {
      if (cause !== of) continue
      const found = count.get(id) ?? 0
      if (found === 0) yield { kind: 'follow-up-missing', what: `nothing of type ${type} follows from ${id}` }
      if (found > 1) yield { kind: 'follow-up-twice', what: `${found} events of type ${type} follow from ${id}` }
    }
  }
}

/** Nothing is in flight for ever, and no event was given up on. */
function* checkEnd({ services, unsettled, failures = [] }: History): Generator<Violation> {
  for (const what of failures) yield { kind: 'process-failed', what }
  if (unsettled !== undefined) yield { kind: 'unsettled', what: unsettled }
  for (const { service, state, parked, retrying, waiting } of services) {
    if (state === 'paused') yield { kind: 'unsettled', what: `${service} is paused` }
    if (retrying + waiting > 0) {
      yield { kind: 'unsettled', what: `${service} has ${retrying} keys retrying and ${waiting} waiting` }
    }
    if (parked > 0) yield { kind: 'gave-up', what: `${service} parked ${parked} keys` }
  }
}

function* checkTakeovers({ takeovers }: History): Generator<Violation> {
  for (const { process, service, cause, seconds, last = '' } of takeovers) {
    if (seconds !== undefined && seconds < LONGEST_TAKEOVER) continue
    const took = seconds === undefined ? 'was not taken over' : `took ${seconds.toFixed(1)} s`
    yield { kind: 'slow-takeover', what: `${process} (${cause}): its share of ${service} ${took}; ${last}` }
  }
}

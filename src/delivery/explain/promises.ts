import { BUCKETS } from '../../event/bucket.ts'
import type { PromiseExplanation, SubscriptionExplanation } from './explanation.ts'
import type { ServiceFacts } from './facts.ts'
import { count, some, time } from './words.ts'

/** Of a service that another program defines. */
const ELSEWHERE = 'its options are known only to the programs that define it'

export function orderOf({ defined, living, capabilities }: ServiceFacts): PromiseExplanation {
  const because = [
    `every key belongs to one of ${BUCKETS} buckets, and every bucket to one instance at a time`,
    'different keys run in parallel, a failing key waits alone',
  ]
  if (defined === undefined) because.push(ELSEWHERE)
  else {
    const { concurrency } = defined.options
    const all = living.length > 1 ? `, up to ${count(concurrency * living.length, 'key')} in all, if all are alike` : ''
    because.push(`concurrency ${concurrency}: ${count(concurrency, 'key')} at a time in each instance${all}`)
    for (const route of defined.routes) {
      if (route.mode !== 'batch') continue
      const patterns = some(route.patterns.map(({ text }) => text))
      because.push(`${patterns}: batches of up to ${route.size}, in order of each key inside the batch`)
    }
  }
  because.push(
    capabilities.multiProcess
      ? 'after a stall beyond its lease an old handler may still be running: ctx.commit excludes it, other effects do not'
      : 'no other process can open this store: all instances are in this one',
  )
  return { promise: 'events of one key start in order and never overlap, however many instances there are', because }
}

export function deliveryOf(
  { defined, capabilities }: ServiceFacts,
  subscriptions: readonly SubscriptionExplanation[],
): PromiseExplanation {
  const from = defined === undefined ? '' : `, from ${place(defined.options.from)} unless its handler says otherwise`
  const skip = defined?.options.poison === 'skip'
  return {
    promise: skip
      ? 'every event is handled at least once, but for those that are given up (poison: skip)'
      : 'every event of its subscriptions is handled at least once',
    because: [
      ...subscriptions.map(({ pattern, since }) =>
        since === null
          ? `${pattern}: begins when it is first recorded, at start${from}`
          : `${pattern}: every event after position ${since}`,
      ),
      capabilities.durable
        ? 'progress is in the store: what was not finished comes again, to whichever instance has the key'
        : 'progress is in the memory of this process, and gone with it',
    ],
  }
}

export function deduplicationOf({ capabilities }: ServiceFacts): PromiseExplanation {
  const { transactions, sql } = capabilities
  const because = [
    'other effects can happen again after a crash or a timeout: hand on ctx.idempotencyKey, the same at every attempt',
    'an id that was published already is not recorded twice',
  ]
  if (transactions && sql) {
    because.unshift(
      'what ctx.commit writes and publishes commits in one transaction with the mark that the event is done',
    )
    return { promise: 'exactly once for ctx.commit and ctx.publish, at least once for other effects', because }
  }
  because.unshift(
    transactions
      ? 'the engine has transactions but no SQL: events of ctx.commit and ctx.publish commit with the done mark'
      : 'the engine has no transactions: events of ctx.publish have derived ids, of which the first recording wins',
  )
  return { promise: 'exactly once for events that handlers publish, at least once for other effects', because }
}

const POISON = {
  park: 'a failing event is tried again, then parked as a dead letter: its key waits, all others go on',
  skip: 'a failing event is tried again, then given up: its key goes on without it',
  stop: 'a failing event is tried again, then the whole service is paused until it is resumed',
} as const

const SURVIVES = {
  fsync: 'a killed process or a power cut loses no event and no progress it was told of',
  os: 'a killed process loses nothing; a power cut can take the last writes of this program',
  none: 'nothing survives the process',
} as const

export function recoveryOf({ defined, capabilities, durability }: ServiceFacts): PromiseExplanation {
  const because: string[] = [SURVIVES[durability]]
  if (capabilities.multiProcess) {
    because.push(
      'the share of a killed instance is taken over by the others in under 10 s, that of a stopped one at once',
    )
  }
  if (defined === undefined) {
    return {
      promise: 'a failing event is tried again; its key waits, all others go on',
      because: [...because, ELSEWHERE],
    }
  }
  const { retry, poison, patience, maxParked, timeout } = defined.options
  because.push(
    retry.attempts === 1
      ? 'retry.attempts 1: a failed event is not tried again, unless everything fails'
      : `${retry.attempts} tries, ${time(retry.min)} to ${time(retry.max)} apart; an attempt may take ${time(timeout)}`,
    patience === 0
      ? 'patience 0: an outage counts against the event as any failure does'
      : `while nothing else of its handler succeeds it is an outage: it goes on for ${time(patience)} before it counts`,
  )
  if (poison === 'park') because.push(`at most ${count(maxParked, 'key')} are parked, then the service is paused`)
  return { promise: POISON[poison], because }
}

function place(from: unknown): string {
  if (from instanceof Date) return from.toISOString()
  return typeof from === 'number' ? `position ${from}` : String(from)
}

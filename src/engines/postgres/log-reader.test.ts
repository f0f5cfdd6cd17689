import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { StoredEvent } from '../../store/events.ts'
import { matcherOf } from '../../store/log-matcher.ts'
import type { LogFilter, LogQuery } from '../../store/port.ts'
import { describeOnPostgres } from '../../testing/postgres/fixtures/place.ts'
import { emptyDatabase, type WrittenBatch, writeLog } from './fixtures/written-log.ts'
import { LogReader } from './log-reader.ts'

const TYPES = ['order.created', 'order.item.added', 'payment.taken', 'order', 'hodisa.lease.lost', 'ordering.created']
const PATTERNS = [
  ...TYPES,
  'order.*',
  'order.**',
  '**',
  '*',
  '*.created',
  '*.*.added',
  'hodisa.**',
  'hodisa.*.*',
  'never.was',
]
const NAMES = ['a-1', 'a-2', 'b-1', "o'b-1", 'k"{,}\\']
const IDS = ['evt_1', 'evt_2', 'evt_3', 'evt_4']

const event: fc.Arbitrary<Partial<StoredEvent>> = fc
  .record({
    type: fc.constantFrom(...TYPES),
    kind: fc.constantFrom('domain', 'system', 'integration'),
    bucket: fc.integer({ min: 0, max: 255 }),
    stream: fc.option(fc.constantFrom(...NAMES), { freq: 1 }),
    causationId: fc.option(fc.constantFrom(...IDS), { freq: 1 }),
    metadata: fc.option(fc.constant('{"user":"u"}')),
    data: fc.constantFrom('1', '"é"', JSON.stringify('x'.repeat(3_000))),
  })
  .chain((fields) =>
    fc
      .record({
        key: fields.stream === null ? fc.option(fc.constantFrom(...NAMES), { freq: 1 }) : fc.constant(null),
        correlation: fc.option(fc.constantFrom(...IDS), { freq: 1 }),
        id: fc.option(fc.uuid(), { freq: 1 }),
      })
      .map(({ key, correlation, id }) => ({
        ...fields,
        key,
        ...(correlation !== null && { correlationId: correlation }),
        ...(id !== null && { id }),
      })),
  )

const batches: fc.Arbitrary<WrittenBatch[]> = fc
  .tuple(
    fc.array(fc.array(fc.option(event, { nil: undefined, freq: 6 }), { minLength: 1, maxLength: 6 }), {
      maxLength: 14,
    }),
    fc.array(fc.array(event, { minLength: 1, maxLength: 3 }), { maxLength: 2 }),
    fc.array(fc.nat(), { minLength: 16, maxLength: 16 }),
    fc.array(fc.nat({ max: 3 }), { minLength: 16, maxLength: 16 }),
  )
  .map(([placed, unplaced, order, pauses]) => {
    // The numbers of batches, which are drawn before a commit, are not in the order of positions.
    const numbers = order.map((weight, index) => ({ weight: index * 2 + (weight % 7), index }))
    numbers.sort((left, right) => left.weight - right.weight)
    const numberOf = (index: number) => numbers.findIndex((each) => each.index === index) + 1
    let recordedAt = 1_000
    return [...placed.map((events) => ({ events })), ...unplaced.map((events) => ({ events, unplaced: true }))].map(
      (each, index) => {
        recordedAt += pauses[index] ?? 0
        return { ...each, batch: numberOf(index), recordedAt }
      },
    )
  })

const ownIds = fc
  .tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 2 }))
  .map((each) => `evt_${each.join('_')}`)
const filters: Record<string, fc.Arbitrary<LogFilter>> = {
  types: fc.record({ types: fc.array(fc.constantFrom(...PATTERNS), { maxLength: 3 }) }),
  buckets: fc.record({ buckets: fc.subarray(Array.from({ length: 256 }, (_, n) => n)).map((each) => new Set(each)) }),
  correlation: fc.record({ correlationId: fc.oneof(fc.constantFrom(...IDS), ownIds) }),
  causation: fc.record({ causationId: fc.constantFrom(...IDS) }),
  streams: fc.record({ streams: fc.array(fc.constantFrom(...NAMES, 'none-1', 'nul\0'), { maxLength: 3 }) }),
  key: fc.record({ key: fc.oneof(fc.constantFrom(...NAMES, 'nul\0'), ownIds) }),
}

const query: fc.Arbitrary<LogQuery> = fc
  .tuple(
    fc.record(
      {
        after: fc.oneof(fc.constant(0), fc.nat({ max: 60 })),
        until: fc.oneof(fc.constant(100), fc.nat({ max: 60 })),
        backwards: fc.boolean(),
        limit: fc.integer({ min: 1, max: 30 }),
      },
      { requiredKeys: ['limit'] },
    ),
    fc.uniqueArray(fc.constantFrom(...Object.values(filters)), { maxLength: 2 }).chain((each) => fc.tuple(...each)),
  )
  .map(([range, given]) => Object.assign({}, range, ...given))

/** All pages, each checked for what it promises. */
async function read(reader: LogReader, given: LogQuery, head: number): Promise<StoredEvent[]> {
  const found: StoredEvent[] = []
  let rest = given
  for (;;) {
    const page = await reader.readLog(rest, head)
    expect(page.events.length).toBeLessThanOrEqual(given.limit)
    found.push(...page.events)
    const last = page.events.at(-1)
    if (last !== undefined) {
      if (given.backwards) expect(page.scanned).toBeLessThanOrEqual(last.position)
      else expect(page.scanned).toBeGreaterThanOrEqual(last.position)
    }
    if (page.end) {
      const { after = 0, until = head } = rest
      if (Math.min(until, head) > after) expect(page.scanned).toBe(given.backwards ? after + 1 : Math.min(until, head))
      return found
    }
    if (given.backwards) {
      expect(page.scanned).toBeLessThanOrEqual(rest.until ?? head)
      rest = { ...rest, until: page.scanned - 1 }
    } else {
      expect(page.scanned).toBeGreaterThan(rest.after ?? 0)
      rest = { ...rest, after: page.scanned }
    }
  }
}

describeOnPostgres('the reader of the log', () => {
  test('finds what a search of every event finds, in both directions and in pages of any size', async () => {
    const database = await emptyDatabase()
    await fc.assert(
      fc.asyncProperty(batches, fc.array(query, { minLength: 30, maxLength: 40 }), async (given, queries) => {
        const { events, head } = await writeLog(database, given)
        const reader = new LogReader(database)
        expect(await reader.head()).toBe(head)
        expect(await reader.oldest()).toBe(events[0]?.position ?? 0)
        expect(await read(reader, { limit: 1_000 }, head)).toEqual(events)
        for (const each of queries) {
          const { after = 0, until = head, backwards = false } = each
          const matches = matcherOf(each)
          const expected = events.filter((one) => one.position > after && one.position <= until && matches(one))
          if (backwards) expected.reverse()
          expect(await read(reader, each, head), JSON.stringify(each)).toEqual(expected)
        }
      }),
      { numRuns: 25 },
    )
  })
})

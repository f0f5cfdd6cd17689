import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { StreamQuery } from '../../store/port.ts'
import { describeOnPostgres } from '../../testing/postgres/fixtures/place.ts'
import { emptyDatabase, type WrittenBatch, writeLog } from './fixtures/written-log.ts'
import { LogReader } from './log-reader.ts'

const member = fc.option(
  fc.record({ stream: fc.constantFrom('a-1', 'a-2'), expired: fc.constantFrom(false, false, true) }),
  { freq: 5, nil: undefined },
)

const batches: fc.Arbitrary<WrittenBatch[]> = fc
  .tuple(
    fc.array(fc.tuple(fc.array(member, { minLength: 1, maxLength: 5 }), fc.nat({ max: 3 })), { maxLength: 15 }),
    fc.nat({ max: 3 }),
  )
  .map(([given, unplaced]) => {
    let recordedAt = 100
    return given.map(([events, pause], index) => {
      recordedAt += pause
      return { batch: index + 1, recordedAt, events, unplaced: index >= given.length - unplaced }
    })
  })

const query: fc.Arbitrary<Omit<StreamQuery, 'stream'>> = fc.record(
  {
    from: fc.integer({ min: -1, max: 20 }),
    to: fc.integer({ min: 0, max: 30 }),
    recordedUntil: fc.integer({ min: 95, max: 130 }),
    backwards: fc.boolean(),
    limit: fc.integer({ min: 1, max: 20 }),
  },
  { requiredKeys: ['limit'] },
)

describeOnPostgres('the reader of streams', () => {
  test('finds what a search of every event finds, and tells what has no position yet', async () => {
    const database = await emptyDatabase()
    await fc.assert(
      fc.asyncProperty(batches, fc.array(query, { minLength: 20, maxLength: 30 }), async (given, queries) => {
        const { events, unplaced, head } = await writeLog(database, given)
        const reader = new LogReader(database)
        const whole = [...events, ...unplaced].filter(({ stream }) => stream === 'a-1')
        for (const each of queries) {
          const { from = 1, to = 1_000, recordedUntil = 1_000, backwards = false, limit } = each
          const expected = events.filter(
            ({ stream, revision, recordedAt }) =>
              stream === 'a-1' && Number(revision) >= from && Number(revision) <= to && recordedAt <= recordedUntil,
          )
          if (backwards) expected.reverse()
          const read = await reader.readStream({ stream: 'a-1', ...each })
          expect(read.events, JSON.stringify(each)).toEqual(expected.slice(0, limit))
          // Whatever belongs to an answer that had room for it, or stands before it.
          const missing = unplaced.some(
            ({ stream, revision, recordedAt }) =>
              stream === 'a-1' && Number(revision) >= from && Number(revision) <= to && recordedAt <= recordedUntil,
          )
          if (missing && (backwards || expected.length < limit)) expect(read.unplaced, JSON.stringify(each)).toBe(true)
        }
        const all = await reader.readStream({ stream: 'a-1', limit: 1_000, backwards: true })
        expect(all.unplaced).toBe(whole.some((event) => unplaced.includes(event)))
        const times = new Set(given.map(({ recordedAt }) => recordedAt))
        for (const time of [0, ...times, 1_000]) {
          const until = given.filter((each) => !each.unplaced && each.recordedAt <= time)
          expect(await reader.positionAt(time)).toBe(until.reduce((sum, each) => sum + each.events.length, 0))
        }
        expect(await reader.positionAt(Number.MAX_SAFE_INTEGER)).toBe(head)
      }),
      { numRuns: 25 },
    )
  })

  test('knows the revision of a stream, and nothing of one that never was', async () => {
    const database = await emptyDatabase()
    await writeLog(database, [{ batch: 1, recordedAt: 1, events: [{ stream: 'a-1' }, { stream: 'a-1' }] }])
    const reader = new LogReader(database)
    expect(await reader.streamRevision('a-1')).toBe(2)
    for (const stream of ['a-2', 'a-1\0']) {
      expect(await reader.streamRevision(stream)).toBe(0)
      expect(await reader.readStream({ stream, limit: 10 })).toEqual({ events: [], unplaced: false })
    }
  })

  test('by id gives what has a position, and tells of what has none', async () => {
    const database = await emptyDatabase()
    const { events } = await writeLog(database, [
      { batch: 7, recordedAt: 1, events: [{ id: 'a' }, { id: 'b' }] },
      { batch: 6, recordedAt: 1, events: [{ id: 'c' }], unplaced: true },
    ])
    const reader = new LogReader(database)
    expect(await reader.byIds(['b', 'b', 'none', 'nul\0'])).toEqual({ events: [events[1]], unplaced: false })
    expect(await reader.byIds(['a', 'c'])).toEqual({ events: [events[0]], unplaced: true })
    expect(await reader.byIds([])).toEqual({ events: [], unplaced: false })
  })

  test('resolves places in batches once all of them have a position', async () => {
    const database = await emptyDatabase()
    await writeLog(database, [
      { batch: 7, recordedAt: 1, events: [{ bucket: 1 }, undefined, { bucket: 3 }] },
      { batch: 5, recordedAt: 1, events: [{ bucket: 4, type: 'other.thing' }, { bucket: 5 }] },
      { batch: 6, recordedAt: 1, events: [{}], unplaced: true },
    ])
    const reader = new LogReader(database)
    const type = 'thing.happened'
    const [one, three] = [
      { bucket: 1, type, position: 1 },
      { bucket: 3, type, position: 3 },
    ]
    expect(await reader.resolve([[7, 0, 2]])).toEqual([one, three])
    expect(
      await reader.resolve([
        [5, 0, 0],
        [7, 2, 2],
      ]),
    ).toEqual([{ bucket: 4, type: 'other.thing', position: 4 }, three])
    expect(await reader.resolve([[7, 1, 1]])).toEqual([])
    expect(await reader.resolve([])).toEqual([])
    expect(
      await reader.resolve([
        [7, 0, 2],
        [6, 0, 0],
      ]),
    ).toBeUndefined()
    expect(await reader.resolve([[99, 0, 0]])).toBeUndefined()
  })
})

import { expect, test } from 'vitest'
import type { StoredEvent } from '../../store/events.ts'
import type { LogQuery } from '../../store/port.ts'
import { describeOnPostgres } from '../../testing/postgres/fixtures/place.ts'
import { emptyDatabase, type WrittenBatch, writeLog } from './fixtures/written-log.ts'
import { LogReader } from './log-reader.ts'

const MIB = 1024 * 1024

async function pagesOf(reader: LogReader, query: LogQuery, head: number): Promise<StoredEvent[][]> {
  const pages: StoredEvent[][] = []
  let rest = query
  for (;;) {
    const page = await reader.readLog(rest, head)
    pages.push([...page.events])
    if (page.end) return pages
    rest = query.backwards === true ? { ...rest, until: page.scanned - 1 } : { ...rest, after: page.scanned }
  }
}

function ofSize(count: number, size: number, given: Partial<StoredEvent> = {}): Partial<StoredEvent>[] {
  return Array.from({ length: count }, () => ({ ...given, data: JSON.stringify('x'.repeat(size)) }))
}

describeOnPostgres('pages of the log', () => {
  test('hold about 4 MiB of data, whatever the limit, the size of events, the direction and the filter', async () => {
    const database = await emptyDatabase()
    const large = [...ofSize(5, MIB, { key: 'k' }), ...ofSize(30, 10), ...ofSize(3, 2 * MIB, { key: 'k' })]
    const medium = ofSize(900, 12_000, { key: 'k' })
    const { events, head } = await writeLog(database, [
      { batch: 1, recordedAt: 1, events: [...large, ...medium, ...large] },
      { batch: 2, recordedAt: 1, events: [{ metadata: JSON.stringify('m'.repeat(5 * MIB)) }, ...ofSize(1, 9 * MIB)] },
    ])
    const reader = new LogReader(database)
    for (const query of [
      { limit: 7 },
      { limit: 5_000 },
      { limit: 5_000, backwards: true },
      { limit: 1_000, key: 'k' },
    ]) {
      const pages = await pagesOf(reader, query, head)
      const expected = events.filter((event) => !('key' in query) || event.key === 'k')
      if ('backwards' in query) expected.reverse()
      const found = pages.flat()
      expect(found.map(({ position }) => position)).toEqual(expected.map(({ position }) => position))
      expect(found.every((event, index) => event.data === expected[index]?.data)).toBe(true)
      expect(found.every((event, index) => event.metadata === expected[index]?.metadata)).toBe(true)
      for (const page of pages) {
        const before = page.slice(0, -1).reduce((sum, event) => sum + event.data.length, 0)
        expect(before).toBeLessThan(4 * MIB)
      }
    }
  })

  test('of a key with very many events are found in the log itself', async () => {
    const database = await emptyDatabase()
    const events = Array.from({ length: 45_000 }, (_, n) => ({ key: n % 2 ? 'often' : 'now-and-then', data: '1' }))
    const { events: written, head } = await writeLog(database, [
      ...Array.from({ length: 45 }, (_, n) => ({
        batch: n + 1,
        recordedAt: n,
        events: events.slice(n * 1_000, (n + 1) * 1_000),
      })),
      { batch: 100, recordedAt: 100, events: [{ key: 'rare' }] },
    ])
    const reader = new LogReader(database)
    for (const key of ['often', 'often', 'rare']) {
      for (const backwards of [false, true]) {
        const found = (await pagesOf(reader, { key, backwards, limit: 1_000, after: 10 }, head)).flat()
        const expected = written.filter((event) => event.position > 10 && event.key === key)
        if (backwards) expected.reverse()
        expect(found.map(({ position }) => position)).toEqual(expected.map(({ position }) => position))
      }
    }
  })

  test('of a log whose beginning has expired begin where there is something', async () => {
    const database = await emptyDatabase()
    const expired = (batch: number): WrittenBatch => ({ batch, recordedAt: 1, events: Array(30_000).fill(undefined) })
    const { events, head } = await writeLog(database, [
      ...[1, 2, 3, 4, 5, 6, 7, 8].map(expired),
      { batch: 9, recordedAt: 1, events: [undefined, {}, {}] },
    ])
    const reader = new LogReader(database)
    expect(await reader.oldest()).toBe(240_002)
    for (const query of [{ limit: 10 }, { limit: 10, backwards: true }, { limit: 10, types: ['thing.*'] }]) {
      const pages = await pagesOf(reader, query, head)
      expect(pages.length).toBeLessThanOrEqual(3)
      expect(pages.flat()).toHaveLength(events.length)
    }
  })

  test('refuse a log that has two events at one position', async () => {
    const database = await emptyDatabase()
    const { head } = await writeLog(database, [
      { batch: 1, recordedAt: 1, events: [{}, {}] },
      { batch: 2, recordedAt: 1, events: [{}, {}] },
    ])
    await database.query('update hodisa.log set position = $1 where batch = $2', [2, 2])
    const reader = new LogReader(database)
    for (const backwards of [false, true]) {
      await expect(pagesOf(reader, { limit: 10, backwards }, head)).rejects.toMatchObject({
        code: 'store-corrupt',
        details: { position: 2 },
      })
    }
  })
})

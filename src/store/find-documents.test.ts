import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { memory } from '../engines/memory/index.ts'
import { host } from '../engines/sqlite/fixtures/host.ts'
import { sqlite } from '../engines/sqlite/index.ts'
import type { DocumentQuery, KeyCondition } from './documents.ts'
import type { Store } from './port.ts'
import { sortKey } from './sort-key.ts'

type Value = null | boolean | number | string
type Fields = Readonly<Record<'a' | 'b', Value | undefined>>

interface Kept {
  readonly id: string
  readonly fields: Fields
}

/** A condition and an order as a user has them, over values and not over keys. */
interface Wanted {
  readonly where: readonly { readonly field: 'a' | 'b'; readonly is: KeyCondition['is']; readonly values: Value[] }[]
  readonly orderBy: 'a' | 'b' | undefined
  readonly descending: boolean
  readonly limit: number
}

const anyText = fc.string({ unit: fc.constantFrom('a', 'b', '\u0000', '\u0001', 'é', '\uffff', '👩'), maxLength: 3 })
// Few enough that they meet.
const anyValue = fc.oneof(
  fc.constantFrom<Value>(null, true, false, 0, -0, 1, 2, -1, 0.5, 10, 1e300, '', 'a', 'ab', 'b'),
  anyText,
  fc.integer({ min: -300, max: 300 }),
)
const anyDocuments = fc.uniqueArray(
  fc.record({
    id: fc.oneof(
      anyText.filter((id) => !id.includes('\u0000')),
      fc.nat(30).map(String),
    ),
    fields: fc.record({ a: fc.option(anyValue, { nil: undefined }), b: fc.option(anyValue, { nil: undefined }) }),
  }),
  { selector: ({ id }) => id, maxLength: 40 },
)
const anyField = fc.constantFrom('a' as const, 'b' as const)
const anyWanted: fc.Arbitrary<Wanted> = fc.record({
  where: fc.array(
    fc.record({
      field: anyField,
      is: fc.constantFrom<KeyCondition['is']>('eq', 'gt', 'gte', 'lt', 'lte', 'in', 'prefix'),
      values: fc.array(anyValue, { minLength: 1, maxLength: 4 }),
    }),
    { maxLength: 3 },
  ),
  orderBy: fc.option(anyField, { nil: undefined }),
  descending: fc.boolean(),
  limit: fc.integer({ min: 1, max: 8 }),
})

const rankOf = (value: Value) => {
  if (value === null) return 0
  if (typeof value === 'boolean') return value ? 2 : 1
  return typeof value === 'number' ? 3 : 4
}

function compare(one: Value, other: Value): number {
  if (rankOf(one) !== rankOf(other)) return rankOf(one) - rankOf(other)
  if (typeof one === 'number' && typeof other === 'number') return one - other
  return typeof one === 'string' && typeof other === 'string' ? Buffer.compare(Buffer.from(one), Buffer.from(other)) : 0
}

function holds(value: Value | undefined, is: KeyCondition['is'], values: readonly Value[]): boolean {
  const [first = null] = values
  if (value === undefined) return false
  switch (is) {
    case 'in':
      return values.some((each) => compare(value, each) === 0)
    case 'prefix':
      return typeof value === 'string' && typeof first === 'string'
        ? value.startsWith(first)
        : compare(value, first) === 0
    case 'eq':
      return compare(value, first) === 0
    case 'gt':
      return compare(value, first) > 0
    case 'gte':
      return compare(value, first) >= 0
    case 'lt':
      return compare(value, first) < 0
    case 'lte':
      return compare(value, first) <= 0
  }
}

/** What a query must find, told by filtering and sorting. */
function expected(documents: readonly Kept[], { where, orderBy, descending }: Wanted): string[] {
  const turn = descending ? -1 : 1
  return documents
    .filter(({ fields }) => orderBy === undefined || fields[orderBy] !== undefined)
    .filter(({ fields }) => where.every(({ field, is, values }) => holds(fields[field], is, values)))
    .toSorted((one, other) => {
      const byField = orderBy === undefined ? 0 : compare(one.fields[orderBy] ?? null, other.fields[orderBy] ?? null)
      return turn * (byField || compare(one.id, other.id))
    })
    .map(({ id }) => id)
}

function queryOf({ where, orderBy, descending, limit }: Wanted): DocumentQuery & { where: readonly KeyCondition[] } {
  return {
    where: where.map(({ field, is, values }): KeyCondition => {
      if (is === 'in') return { index: field, is, keys: values.map(sortKey) }
      return { index: field, is, key: sortKey(values[0] ?? null) }
    }),
    orderBy: { descending, ...(orderBy !== undefined && { index: orderBy }) },
    limit,
  }
}

function keysOf(fields: Fields): Record<string, string> {
  const given = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, sortKey(value)]]))
  return Object.fromEntries(given)
}

/** Up to one page too many, where pages do not move on. */
async function inPages(store: Store, query: DocumentQuery, most: number): Promise<string[]> {
  const ids: string[] = []
  let after: DocumentQuery['after']
  for (;;) {
    const page = await store.documents.find('found', { ...query, ...(after && { after }) })
    ids.push(...page.map(({ id }) => id))
    const last = page.at(-1)
    if (last === undefined || page.length < query.limit || ids.length > most) return ids
    const key = query.orderBy?.index === undefined ? undefined : last.keys[query.orderBy.index]
    after = { id: last.id, ...(key !== undefined && { key }) }
  }
}

const engines = {
  memory: async () => memory().open(host),
  async sqlite() {
    const folder = await mkdtemp(join(tmpdir(), 'hodisa-find-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    return sqlite(join(folder, 'store.db')).open({ ...host, durability: 'os' })
  },
}

describe.each(Object.entries(engines))('on %s', (_, open) => {
  test('any search gives, page by page, what filtering and sorting the values gives', async () => {
    const store = await open()
    onTestFinished(() => store.close())
    await fc.assert(
      fc.asyncProperty(
        anyDocuments,
        fc.array(anyWanted, { minLength: 5, maxLength: 20 }),
        async (documents, searches) => {
          await store.documents.drop('found')
          await store.documents.define({ name: 'found', indexes: ['a', 'b'] })
          const writes = documents.map(({ id, fields }) => ({
            collection: 'found',
            id,
            data: id,
            keys: keysOf(fields),
          }))
          await store.documents.write(writes)
          for (const wanted of searches) {
            const query = queryOf(wanted)
            expect(await inPages(store, query, documents.length)).toEqual(expected(documents, wanted))
            const all = expected(documents, { ...wanted, orderBy: undefined })
            expect(await store.documents.count('found', query.where)).toBe(all.length)
          }
        },
      ),
      { numRuns: 60 },
    )
  })
})

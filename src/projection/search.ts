import { HodisaError } from '../errors.ts'
import { assertOptions, invalidOption } from '../event/input.ts'
import type { DocumentQuery, Documents, KeyCondition } from '../store/documents.ts'
import { compareKeys } from '../store/sort-key.ts'
import { conditionsOf, indexMissing, meets, type Where } from './conditions.ts'
import type { Document } from './definition.ts'
import type { ViewDocuments } from './documents.ts'
import { type FieldPath, indexKey, isWhole, keyAt } from './fields.ts'

export interface FindOptions<Doc> {
  /** At least one of its fields must be an index, or the order. */
  readonly where?: Where<Doc>
  /** A field, ascending, or descending with `-` before it; then by id. By id alone when absent. Documents without the field are left out. */
  readonly orderBy?: FieldPath<Doc> | `-${FieldPath<Doc>}`
  /** 100 by default; must be given to order by a field that is no index. At most 10,000. */
  readonly limit?: number
  /** {@link ViewPage.after} of the page before, with the same `where` and `orderBy`. */
  readonly after?: string | undefined
}

/** A page of a view. Plain JSON. */
export interface ViewPage<Doc> {
  readonly documents: readonly Doc[]
  /** Their ids, in the same order. */
  readonly ids: readonly string[]
  /** Where the next page begins; absent on the last. */
  readonly after?: string
}

export type AnyFind = FindOptions<Record<string, unknown>>

/** How many documents are read at a time where not all that is read is wanted. */
const SCAN = 500
const MOST = 10_000

interface Found {
  readonly id: string
  readonly key: string | undefined
  readonly document: Document
}

interface Order {
  readonly field: string | undefined
  readonly descending: boolean
}

type Place = NonNullable<DocumentQuery['after']>

/** Finds in one collection of documents. */
export class Search {
  readonly #store: Documents
  readonly #documents: ViewDocuments
  readonly #collection: string

  constructor(store: Documents, documents: ViewDocuments, collection: string) {
    this.#store = store
    this.#documents = documents
    this.#collection = collection
  }

  /** @throws {HodisaError} `index-missing`, `invalid-option` */
  async find(options: AnyFind = {}): Promise<ViewPage<Document>> {
    assertOptions('find', options)
    const { limit = 100 } = options
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > MOST) {
      throw invalidOption('limit', `must be an integer from 1 to ${MOST}`, limit)
    }
    const order = orderOf(options.orderBy)
    const [indexed, rest] = this.#split(conditionsOf(options.where))
    const after = options.after === undefined ? undefined : placeOf(options.after, order)
    const ordered = order.field !== undefined && this.#declares(order.field)
    if (indexed.length === 0 && !ordered && (rest.length > 0 || order.field !== undefined)) {
      throw indexMissing(this.#view, fieldsOf(rest, order.field), 'find')
    }
    // One more than is wanted, to know whether there is another page.
    if (order.field === undefined || ordered) {
      const found: Found[] = []
      for await (const one of this.#inOrder(indexed, rest, order, after, limit + 1)) {
        if (found.push(one) > limit) break
      }
      return page(found, limit, order)
    }
    if (options.limit === undefined)
      throw invalidOption('limit', `must be given to order by ${order.field}, which is no index`, limit)
    return page(await this.#sorted(indexed, rest, order, after, limit + 1), limit, order)
  }

  async count(where?: AnyFind['where']): Promise<number> {
    const [indexed, rest] = this.#split(conditionsOf(where))
    if (rest.length === 0) return this.#store.count(this.#collection, indexed)
    if (indexed.length === 0) throw indexMissing(this.#view, fieldsOf(rest), 'count')
    let count = 0
    for await (const _ of this.#inOrder(indexed, rest, alongIndex(indexed), undefined, SCAN)) count++
    return count
  }

  get #view(): string {
    return this.#documents.projection.id
  }

  #declares(field: string): boolean {
    return this.#documents.projection.indexes.includes(field)
  }

  #split(conditions: readonly KeyCondition[]): [indexed: KeyCondition[], rest: KeyCondition[]] {
    const indexed = conditions.filter(({ index }) => this.#declares(index))
    const coarse = indexed.map(inIndex)
    // What an index tells only roughly is looked at again in the document itself.
    const rest = conditions.filter((condition) => !coarse.includes(condition))
    return [coarse, rest]
  }

  /** In the engine's order, as many at a time as are looked for. */
  async *#inOrder(
    where: readonly KeyCondition[],
    rest: readonly KeyCondition[],
    { field, descending }: Order,
    after: Place | undefined,
    wanted: number,
  ): AsyncGenerator<Found, void, undefined> {
    const limit = rest.length === 0 ? Math.min(wanted, SCAN) : SCAN
    let place = after
    for (;;) {
      const stored = await this.#store.find(this.#collection, {
        where,
        orderBy: { descending, ...(field !== undefined && { index: field }) },
        limit,
        ...(place !== undefined && { after: place }),
      })
      for (const one of stored) {
        const key = field === undefined ? undefined : one.keys[field]
        const document = await this.#documents.decode(one)
        place = { id: one.id, ...(key !== undefined && { key }) }
        if (meets(document, rest)) yield { id: one.id, key, document }
      }
      if (stored.length < limit) return
    }
  }

  /** By a field that is no index: all that match pass by, and only the first ones are kept. */
  async #sorted(
    where: readonly KeyCondition[],
    rest: readonly KeyCondition[],
    { field = '', descending }: Order,
    after: Place | undefined,
    wanted: number,
  ): Promise<Found[]> {
    const turn = descending ? -1 : 1
    const compare = (one: Omit<Found, 'document'>, other: Omit<Found, 'document'>) =>
      turn * (compareKeys(one.key ?? '', other.key ?? '') || compareKeys(one.id, other.id))
    const start = after && { id: after.id, key: after.key }
    let kept: Found[] = []
    for await (const { id, document } of this.#inOrder(where, rest, alongIndex(where), undefined, SCAN)) {
      const key = keyAt(document, field)
      if (key === undefined) continue
      const one = { id, key, document }
      if (start !== undefined && compare(one, start) <= 0) continue
      kept.push(one)
      if (kept.length >= wanted * 2 + SCAN) kept = kept.sort(compare).slice(0, wanted)
    }
    return kept.sort(compare).slice(0, wanted)
  }
}

/** What must hold of the part of a key that stands in an index; the condition itself where that tells all. */
function inIndex(condition: KeyCondition): KeyCondition {
  if (condition.is === 'in') {
    return condition.keys.every(isWhole) ? condition : { ...condition, keys: condition.keys.map(indexKey) }
  }
  const { index, is, key } = condition
  if (isWhole(key)) return condition
  return { index, is: is === 'gt' ? 'gte' : is === 'lt' ? 'lte' : is, key: indexKey(key) }
}

/** Where any order will do: that in which an index gives what narrows most, so that no page has to be sorted first. */
function alongIndex(conditions: readonly KeyCondition[]): Order {
  const best = conditions.find(({ is }) => is === 'eq') ?? conditions.find(({ is }) => is === 'in') ?? conditions[0]
  return { field: best?.index, descending: false }
}

function orderOf(orderBy: string | undefined): Order {
  if (orderBy === undefined) return { field: undefined, descending: false }
  if (typeof orderBy !== 'string' || orderBy.replace(/^-/, '') === '') {
    throw invalidOption('orderBy', 'must be a field, or "-" and a field', orderBy)
  }
  const descending = orderBy.startsWith('-')
  return { field: descending ? orderBy.slice(1) : orderBy, descending }
}

function fieldsOf(conditions: readonly KeyCondition[], ordered?: string): readonly string[] {
  return [...new Set([...conditions.map(({ index }) => index), ...(ordered === undefined ? [] : [ordered])])]
}

function page(found: readonly Found[], limit: number, order: Order): ViewPage<Document> {
  const kept = found.slice(0, limit)
  const last = kept.at(-1)
  return {
    documents: kept.map(({ document }) => document),
    ids: kept.map(({ id }) => id),
    ...(found.length > limit && last !== undefined && { after: textOf(last, order) }),
  }
}

function textOf({ id, key }: Found, { field, descending }: Order): string {
  return Buffer.from(JSON.stringify([field ?? null, descending, id, key ?? null])).toString('base64url')
}

/** @throws {HodisaError} `invalid-option` for a place of another order. */
function placeOf(text: string, { field, descending }: Order): Place {
  try {
    const [of, down, id, key] = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (of === (field ?? null) && down === descending && typeof id === 'string') {
      return { id, ...(typeof key === 'string' && { key }) }
    }
  } catch {
    // Told below.
  }
  throw new HodisaError('invalid-option', 'after must be what the page before gave, with the same order', {
    option: 'after',
  })
}

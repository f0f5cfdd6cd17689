import {
  assertCollection,
  assertConditions,
  assertQuery,
  assertWrite,
  collectionUnknown,
  keyIn,
} from '../../store/collection.ts'
import type { Collection, DocumentQuery, DocumentWrite, KeyCondition, StoredDocument } from '../../store/documents.ts'
import { compareKeys } from '../../store/sort-key.ts'
import { frozen } from './frozen.ts'

interface Kept extends StoredDocument {
  readonly expiresAt: number | undefined
}

interface Table extends Collection {
  readonly documents: Map<string, Kept>
}

/** The documents. Synchronous: the caller sees to it that one change follows the other. */
export class DocumentTable {
  readonly #tables = new Map<string, Table>()

  define(collection: Collection): void {
    assertCollection(collection)
    const { name, indexes } = collection
    const { documents, indexes: before } = this.#tables.get(name) ?? { documents: new Map(), indexes: [] }
    this.#tables.set(name, { name, documents, indexes: frozen([...new Set([...before, ...indexes])]) })
  }

  drop(name: string): void {
    this.#tables.delete(name)
  }

  list(): readonly Collection[] {
    return [...this.#tables.values()]
      .map(({ name, indexes }) => ({ name, indexes }))
      .sort((one, other) => compareKeys(one.name, other.name))
  }

  /** @throws {HodisaError} `collection-unknown` */
  table(name: string): Table {
    const table = this.#tables.get(name)
    if (table === undefined) throw collectionUnknown(name)
    return table
  }

  get(collection: string, ids: readonly string[]): ReadonlyMap<string, string> {
    const { documents } = this.table(collection)
    return found(ids, (id) => documents.get(id))
  }

  find(collection: string, query: DocumentQuery): readonly StoredDocument[] {
    const table = this.table(collection)
    assertQuery(table, query)
    const { where, orderBy: { index, descending = false } = {}, after, limit } = query
    const turn = descending ? -1 : 1
    const compare = (one: Place, other: Place) =>
      turn * (compareKeys(one.key, other.key) || compareKeys(one.id, other.id))
    const start = after && { key: index === undefined ? '' : (after.key ?? ''), id: after.id }
    return matching(table, where)
      .flatMap(({ id, data, keys }) => {
        const key = index === undefined ? '' : keyIn(keys, index)
        return key === undefined ? [] : { key, id, document: { id, data, keys } }
      })
      .filter((place) => start === undefined || compare(place, start) > 0)
      .sort(compare)
      .slice(0, Math.max(0, limit))
      .map(({ document }) => document)
  }

  count(collection: string, where: readonly KeyCondition[] = []): number {
    const table = this.table(collection)
    assertConditions(table, where)
    return matching(table, where).length
  }

  /** Removes what is over; tells how many. */
  expire(now: number): number {
    let removed = 0
    for (const { documents } of this.#tables.values()) {
      for (const { id, expiresAt } of documents.values()) {
        if (expiresAt !== undefined && expiresAt <= now && documents.delete(id)) removed += 1
      }
    }
    return removed
  }
}

/** Writes that are not made yet, over what stands there. */
export class StagedDocuments {
  readonly #base: DocumentTable
  readonly #staged = new Map<Table, Map<string, Kept | undefined>>()

  constructor(base: DocumentTable) {
    this.#base = base
  }

  has(collection: string, id: string): boolean {
    return this.#find(this.#base.table(collection), id) !== undefined
  }

  get(collection: string, ids: readonly string[]): ReadonlyMap<string, string> {
    const table = this.#base.table(collection)
    return found(ids, (id) => this.#find(table, id))
  }

  /** All of them, or none. */
  write(writes: readonly DocumentWrite[]): void {
    for (const write of writes) assertWrite(this.#base.table(write.collection), write)
    for (const { collection, id, data, keys = {}, expiresAt } of writes) {
      const table = this.#base.table(collection)
      const staged = this.#staged.get(table) ?? new Map<string, Kept | undefined>()
      this.#staged.set(table, staged.set(id, data === null ? undefined : { id, data, keys: frozen(keys), expiresAt }))
    }
  }

  commit(): void {
    for (const [{ documents }, staged] of this.#staged) {
      for (const [id, document] of staged) {
        if (document === undefined) documents.delete(id)
        else documents.set(id, document)
      }
    }
  }

  #find(table: Table, id: string): Kept | undefined {
    const staged = this.#staged.get(table)
    return staged?.has(id) ? staged.get(id) : table.documents.get(id)
  }
}

interface Place {
  readonly key: string
  readonly id: string
}

function found(ids: readonly string[], find: (id: string) => Kept | undefined): ReadonlyMap<string, string> {
  const documents = new Map<string, string>()
  for (const id of ids) {
    const document = find(id)
    if (document !== undefined) documents.set(id, document.data)
  }
  return documents
}

function matching({ documents }: Table, where: readonly KeyCondition[] = []): readonly Kept[] {
  return [...documents.values()].filter(({ keys }) =>
    where.every((condition) => {
      const key = keyIn(keys, condition.index)
      return key !== undefined && holds(key, condition)
    }),
  )
}

function holds(key: string, condition: KeyCondition): boolean {
  if (condition.is === 'in') return condition.keys.includes(key)
  if (condition.is === 'prefix') return key.startsWith(condition.key)
  const order = compareKeys(key, condition.key)
  switch (condition.is) {
    case 'eq':
      return order === 0
    case 'gt':
      return order > 0
    case 'gte':
      return order >= 0
    case 'lt':
      return order < 0
    case 'lte':
      return order <= 0
  }
}

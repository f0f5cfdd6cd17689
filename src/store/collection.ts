import { HodisaError } from '../errors.ts'
import type { Collection, DocumentQuery, DocumentWrite, KeyCondition } from './documents.ts'

const NAME = /^[a-z0-9._-]{1,200}$/
const MOST_INDEXES = 64
const LONGEST_INDEX_NAME = 200

/** The rules of a collection, for every engine. @throws {HodisaError} `invalid-name` */
export function assertCollection({ name, indexes }: Collection): void {
  if (!NAME.test(name)) {
    throw new HodisaError(
      'invalid-name',
      `collection ${JSON.stringify(name)}: 1 to 200 lower-case letters, digits, ".", "-" and "_" make its name`,
      { collection: name },
    )
  }
  const wrong = indexes.find((index) => index === '' || index === '__proto__' || index.length > LONGEST_INDEX_NAME)
  if (wrong !== undefined || new Set(indexes).size < indexes.length || indexes.length > MOST_INDEXES) {
    throw new HodisaError(
      'invalid-name',
      `collection ${name}: it has at most ${MOST_INDEXES} indexes, each with a name of its own of 1 to ${LONGEST_INDEX_NAME} characters`,
      { collection: name, indexes },
    )
  }
}

export function collectionUnknown(collection: string): HodisaError {
  return new HodisaError('collection-unknown', `there is no collection ${collection}`, { collection })
}

/** The key of one index, where there is one: an index may be called `constructor`. */
export function keyIn(keys: Readonly<Record<string, string>> | undefined, index: string): string | undefined {
  return keys !== undefined && Object.hasOwn(keys, index) ? keys[index] : undefined
}

/** @throws {HodisaError} `invalid-option` for the key of an index that the collection has not. */
export function assertWrite({ name, indexes }: Collection, { keys }: DocumentWrite): void {
  for (const index in keys) assertIndex(name, indexes, index)
}

/** @throws {HodisaError} `invalid-option` for an index that the collection has not, or a place without its key. */
export function assertQuery(collection: Collection, { where, orderBy, after }: Omit<DocumentQuery, 'limit'>): void {
  assertConditions(collection, where)
  if (orderBy?.index === undefined) return
  assertIndex(collection.name, collection.indexes, orderBy.index)
  if (after === undefined || after.key !== undefined) return
  throw new HodisaError('invalid-option', `after a place in index ${orderBy.index}, its key must be given`, {
    option: 'after',
    collection: collection.name,
  })
}

/** @throws {HodisaError} `invalid-option` for an index that the collection has not. */
export function assertConditions({ name, indexes }: Collection, where: readonly KeyCondition[] = []): void {
  for (const { index } of where) assertIndex(name, indexes, index)
}

function assertIndex(collection: string, indexes: readonly string[], index: string): void {
  if (indexes.includes(index)) return
  throw new HodisaError('invalid-option', `collection ${collection} has no index ${JSON.stringify(index)}`, {
    option: 'index',
    collection,
    index,
  })
}

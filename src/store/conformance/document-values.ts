import assert from 'node:assert/strict'
import type { DocumentQuery, DocumentWrite, StoredDocument } from '../documents.ts'
import type { NoDocumentCondition } from '../events.ts'
import type { Store } from '../port.ts'

export const ORDERS = 'view.orders'

/** A collection with the indexes `total` and `user`. */
export async function withOrders(store: Store): Promise<void> {
  await store.documents.define({ name: ORDERS, indexes: ['total', 'user'] })
}

export function put(id: string, keys: Readonly<Record<string, string>> = {}, data = `{"id":"${id}"}`): DocumentWrite {
  return { collection: ORDERS, id, data, keys }
}

export function removal(id: string): DocumentWrite {
  return { collection: ORDERS, id, data: null }
}

export function noDocument(id: string): NoDocumentCondition {
  return { kind: 'noDocument', collection: ORDERS, id }
}

export async function dataOf(store: Store, ...ids: string[]): Promise<readonly (string | undefined)[]> {
  const found = await store.documents.get(ORDERS, ids)
  return ids.map((id) => found.get(id))
}

/** The ids that a query finds. */
export async function idsOf(store: Store, query: Partial<DocumentQuery> = {}): Promise<readonly string[]> {
  const found = await store.documents.find(ORDERS, { limit: 1_000, ...query })
  return found.map(({ id }) => id)
}

/** Everything a query finds, page by page; checked to be what one page gives. */
export async function inPages(store: Store, query: Partial<DocumentQuery>, limit: number): Promise<void> {
  const all = await store.documents.find(ORDERS, { limit: 1_000, ...query })
  const paged: StoredDocument[] = []
  for (;;) {
    const last = paged.at(-1)
    const key = query.orderBy?.index === undefined ? undefined : last?.keys[query.orderBy.index]
    const after = last && { id: last.id, ...(key !== undefined && { key }) }
    const page = await store.documents.find(ORDERS, { limit, ...query, ...(after && { after }) })
    paged.push(...page)
    assert.ok(page.length <= limit && paged.length <= all.length, 'a page moves on')
    if (page.length < limit) break
  }
  assert.deepEqual(paged, all)
}

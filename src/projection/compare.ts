import { isDeepStrictEqual } from 'node:util'
import type { StoredDocument } from '../store/documents.ts'
import type { Store } from '../store/port.ts'
import { compareKeys } from '../store/sort-key.ts'
import type { Document } from './definition.ts'
import type { ViewDocuments } from './documents.ts'

const PAGE = 500

/** What differs between two builds of a view. */
export interface ViewDifference {
  readonly id: string
  /** As the current view has it; absent where it has none. */
  readonly before?: object
  /** As the log makes it now; absent where it makes none. */
  readonly after?: object
}

/** The ids at which two collections do not hold the same. Memory stays flat. */
export async function* differing(
  store: Store,
  documents: ViewDocuments,
  before: string,
  after: string,
): AsyncGenerator<string, void, undefined> {
  const [left, right] = [pages(store, before), pages(store, after)]
  let [one, other] = [await left.next(), await right.next()]
  while (one.done !== true || other.done !== true) {
    const order = one.done === true ? 1 : other.done === true ? -1 : compareKeys(one.value.id, other.value.id)
    if (order < 0 && one.done !== true) yield one.value.id
    if (order > 0 && other.done !== true) yield other.value.id
    if (order === 0 && one.done !== true && other.done !== true && !(await same(documents, one.value, other.value))) {
      yield one.value.id
    }
    if (order <= 0) one = await left.next()
    if (order >= 0) other = await right.next()
  }
}

/** What stands at these ids, where it is not the same. */
export async function differences(
  store: Store,
  documents: ViewDocuments,
  { before, after }: { readonly before: string; readonly after: string },
  ids: readonly string[],
): Promise<readonly ViewDifference[]> {
  const read = async (collection: string) => documents.decodeAll(await store.documents.get(collection, ids))
  const [left, right] = [await read(before), await read(after)]
  return ids.flatMap((id) => {
    const [one, other] = [left.get(id), right.get(id)]
    if (isDeepStrictEqual(one, other)) return []
    return [{ id, ...(one !== undefined && { before: one }), ...(other !== undefined && { after: other }) }]
  })
}

async function same(documents: ViewDocuments, one: StoredDocument, other: StoredDocument): Promise<boolean> {
  // The keys, too: an index that was added finds nothing in what was written before.
  if (!isDeepStrictEqual({ ...one.keys }, { ...other.keys })) return false
  if (one.data === other.data) return true
  const [left, right]: Document[] = [await documents.decode(one), await documents.decode(other)]
  return isDeepStrictEqual(left, right)
}

async function* pages(store: Store, collection: string): AsyncGenerator<StoredDocument, void, undefined> {
  let after: { readonly id: string } | undefined
  for (;;) {
    const page = await store.documents.find(collection, { limit: PAGE, ...(after !== undefined && { after }) })
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return
    after = { id: last.id }
  }
}

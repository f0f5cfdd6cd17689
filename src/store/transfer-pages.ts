import type { Collection, DocumentWrite } from './documents.ts'
import type { Transfer, TransferRow, TransferTable } from './transfer.ts'

/** Where a store keeps what it is a copy of. It is not copied itself. */
export const COPY_COLLECTION = 'hodisa.copy'

const PAGE = 2_000
/** Documents may be large. */
const DOCUMENT_PAGE = 500

export function isOwn({ name }: Collection): boolean {
  return name === COPY_COLLECTION
}

export async function forEachRow(
  from: Transfer,
  table: TransferTable,
  visit: (rows: readonly TransferRow[]) => void | Promise<void>,
): Promise<void> {
  let after: TransferRow | undefined
  do {
    const rows = await from.rows(table, after, PAGE)
    if (rows.length > 0) await visit(rows)
    after = rows.at(-1)
  } while (after !== undefined)
}

export async function forEachDocument(
  from: Transfer,
  collection: string,
  visit: (documents: readonly DocumentWrite[]) => void | Promise<void>,
): Promise<void> {
  let after: string | undefined
  do {
    const documents = await from.documents(collection, after, DOCUMENT_PAGE)
    if (documents.length > 0) await visit(documents)
    after = documents.at(-1)?.id
  } while (after !== undefined)
}

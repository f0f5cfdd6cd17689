import { HodisaError } from '../../errors.ts'
import { keyIn } from '../../store/collection.ts'
import type { DocumentWrite } from '../../store/documents.ts'
import type { Table } from './collections.ts'

/** Bytes of an id and a key together: what an entry of an index has room for, with something to spare. */
const LONGEST = 2_600

/** Whether a document may have this id: PostgreSQL keeps no U+0000, and in UTF-8 a lone surrogate becomes another character. */
export function canBeId(id: string): boolean {
  return !id.includes('\0') && id.isWellFormed()
}

/** @throws {HodisaError} `invalid-option` for text that PostgreSQL cannot compare with */
export function comparable(text: string, option: string): string {
  if (!text.includes('\0')) return text.toWellFormed()
  throw new HodisaError('invalid-option', `${option} ${shown(text)}: PostgreSQL keeps no U+0000 in a text`, { option })
}

/**
 * Whether PostgreSQL can keep this document.
 *
 * @throws {HodisaError} `invalid-name` for its id, `invalid-option` for what else it holds
 */
export function assertKeepable({ collection, id, data, keys }: DocumentWrite): void {
  const about = { collection, id: id.toWellFormed().slice(0, 200) }
  if (!canBeId(id)) {
    const text = `the id ${shown(id)} of a document in ${collection} must be free of U+0000 and lone surrogates`
    throw new HodisaError('invalid-name', text, about)
  }
  const idBytes = bytesOf(id)
  if (idBytes > LONGEST) {
    const text = `the id ${shown(id)} of a document in ${collection} has ${idBytes} bytes; at most ${LONGEST} can be found by`
    throw new HodisaError('invalid-name', text, about)
  }
  if (data === null) return
  if (data.includes('\0')) {
    const text = `document ${shown(id)} in ${collection}: PostgreSQL keeps no U+0000, which its data holds`
    throw new HodisaError('invalid-option', text, { option: 'data', ...about })
  }
  for (const index in keys) {
    const key = keyIn(keys, index) ?? ''
    const bytes = idBytes + bytesOf(key)
    if (bytes <= LONGEST && !key.includes('\0')) continue
    const what = bytes > LONGEST ? `has ${bytes} bytes with the id; at most ${LONGEST}` : 'holds U+0000, which no text'
    const text = `document ${shown(id)} in ${collection}: its key for ${index} ${what} can be found by in PostgreSQL`
    throw new HodisaError('invalid-option', text, { option: 'keys', index, ...about })
  }
}

/** What `write_documents` takes of a document. */
export function rowOf({ indexes }: Table, { id, data, keys, expiresAt }: DocumentWrite): readonly unknown[] {
  const values = indexes.map((index) => keyIn(keys, index)?.toWellFormed() ?? null)
  return [id, data?.toWellFormed(), expiresAt === undefined ? null : Math.ceil(expiresAt), ...values]
}

function bytesOf(text: string): number {
  return text.length * 3 <= LONGEST / 2 ? text.length : Buffer.byteLength(text)
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80))
}

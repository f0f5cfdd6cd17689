import { HodisaError } from '../errors.ts'
import { toJson } from '../event/json.ts'
import type { Codec } from '../log/codec.ts'
import type { DocumentWrite, StoredDocument } from '../store/documents.ts'
import type { DefinedProjection, Document } from './definition.ts'
import { indexKey, keyAt } from './fields.ts'

/** How many documents are read or written in one call. */
export const CHUNK = 1_000

/** How the documents of one view stand in the store: as JSON, or as the codec made them; their index keys always plain. */
export class ViewDocuments {
  readonly projection: Pick<DefinedProjection, 'id' | 'indexes'>
  readonly #codec: Codec | undefined

  constructor(projection: Pick<DefinedProjection, 'id' | 'indexes'>, codec: Codec | undefined) {
    this.projection = projection
    this.#codec = codec
  }

  /** @throws {HodisaError} `unserialisable-data` for what JSON cannot carry unchanged. */
  async writes(
    collection: string,
    documents: ReadonlyMap<string, Document | undefined>,
  ): Promise<readonly DocumentWrite[]> {
    const writes: DocumentWrite[] = []
    // Sorted, so that of two that write the same ones neither waits for the other in turn.
    for (const [id, document] of [...documents].sort(([one], [other]) => (one < other ? -1 : 1))) {
      if (document === undefined) {
        writes.push({ collection, id, data: null })
        continue
      }
      const text = toJson(document, id)
      const data = this.#codec === undefined ? text : await this.#encode(this.#codec, text)
      writes.push({ collection, id, data, keys: this.#keys(document) })
    }
    return writes
  }

  async decodeAll(texts: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, Document>> {
    const documents = new Map<string, Document>()
    for (const [id, text] of texts) {
      const decoded = this.decode(id, text)
      documents.set(id, decoded instanceof Promise ? await decoded : decoded)
    }
    return documents
  }

  decode({ id, data }: StoredDocument): Document | Promise<Document>
  decode(id: string, data: string): Document | Promise<Document>
  decode(of: string | StoredDocument, text = ''): Document | Promise<Document> {
    const [id, data] = typeof of === 'string' ? [of, text] : [of.id, of.data]
    if (!data.startsWith('@')) return this.#parse(id, data)
    const end = data.indexOf(' ')
    const encoding = data.slice(1, end)
    if (this.#codec?.name !== encoding) {
      throw new HodisaError('capability-missing', `view ${this.projection.id} is encoded with ${encoding}`, {
        encoding,
      })
    }
    const plain = this.#codec.decode(data.slice(end + 1), this.#subject)
    return typeof plain === 'string' ? this.#parse(id, plain) : plain.then((json) => this.#parse(id, json))
  }

  /** No JSON begins with `@`, so both can stand in one view. */
  async #encode(codec: Codec, text: string): Promise<string> {
    const encoded = codec.encode(text, this.#subject)
    return `@${codec.name} ${typeof encoded === 'string' ? encoded : await encoded}`
  }

  get #subject() {
    return { type: 'hodisa.view', stream: this.projection.id, tenant: null, subject: null }
  }

  #keys(document: Document): Record<string, string> {
    const keys: Record<string, string> = {}
    for (const index of this.projection.indexes) {
      const key = keyAt(document, index)
      if (key !== undefined) keys[index] = indexKey(key)
    }
    return keys
  }

  #parse(id: string, text: string): Document {
    try {
      return JSON.parse(text)
    } catch (error) {
      throw new HodisaError('store-corrupt', `document ${id} of view ${this.projection.id} is not JSON`, { id }, error)
    }
  }
}

/** In parts, so that no call is too large for an engine. */
export async function getInChunks(
  get: (ids: readonly string[]) => Promise<ReadonlyMap<string, string>>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (ids.length <= CHUNK) return get(ids)
  const all = new Map<string, string>()
  for (let start = 0; start < ids.length; start += CHUNK) {
    for (const [id, text] of await get(ids.slice(start, start + CHUNK))) all.set(id, text)
  }
  return all
}

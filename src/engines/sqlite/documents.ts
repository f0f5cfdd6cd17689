import type { Collection, DocumentQuery, Documents, DocumentWrite, KeyCondition } from '../../store/documents.ts'
import { Collections, defineTable, dropTable, isDefined } from './collections.ts'
import type { Connection } from './connection.ts'
import { DocumentReader } from './document-reader.ts'
import type { DocumentWriter } from './document-writer.ts'
import type { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

/** The documents of the store, on both its connections. */
export class SqliteDocuments implements Documents {
  readonly #connection: Connection
  readonly #writer: Writer
  readonly #reader: Reader
  readonly #writes: DocumentWriter
  readonly #reads: DocumentReader
  readonly #collections: Collections

  constructor(connection: Connection, writer: Writer, reader: Reader, writes: DocumentWriter) {
    this.#connection = connection
    this.#writer = writer
    this.#reader = reader
    this.#writes = writes
    this.#reads = new DocumentReader(reader.connection)
    this.#collections = new Collections(connection)
  }

  async define(collection: Collection): Promise<void> {
    const { name } = collection
    // Nearly always it is there: then nobody waits for the writer.
    if (await this.#reader.read(() => isDefined(collection, this.#reads.find(name)))) return
    await this.#writer.submit(3, 0, () => {
      const table = this.#collections.find(name)
      if (isDefined(collection, table)) return
      defineTable(this.#connection, table, collection)
      this.#writes.forget()
    })
  }

  drop(name: string): Promise<void> {
    return this.#writer.submit(3, 0, () => {
      const table = this.#collections.find(name)
      if (table === undefined) return
      dropTable(this.#connection, table)
      this.#writes.forget()
    })
  }

  list(): Promise<readonly Collection[]> {
    return this.#reader.read(() => this.#reads.list())
  }

  get(collection: string, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.#reader.readTogether(() => this.#reads.get(collection, ids))
  }

  find(collection: string, query: DocumentQuery) {
    return this.#reader.readTogether(() => this.#reads.search(collection, query))
  }

  count(collection: string, where?: readonly KeyCondition[]): Promise<number> {
    return this.#reader.readTogether(() => this.#reads.count(collection, where))
  }

  write(writes: readonly DocumentWrite[]): Promise<void> {
    return this.#writer.submit(3, sizeOfDocuments(writes), () => {
      this.#writes.check(writes)
      this.#writes.write(writes)
    })
  }
}

/** Near enough, and cheap: UTF-16 units. */
export function sizeOfDocuments(writes: readonly DocumentWrite[] = []): number {
  let size = 0
  for (const { data } of writes) size += data?.length ?? 0
  return size
}

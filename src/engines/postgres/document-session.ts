import { assertWrite } from '../../store/collection.ts'
import type { DocumentWrite, TransactionDocuments } from '../../store/documents.ts'
import type { Collections, Table } from './collections.ts'
import type { Session } from './database.ts'
import { assertKeepable, canBeId, rowOf } from './document-values.ts'

// One column called `result`, or several: what an outbox reads on any driver.
const HOLD = 'select to_jsonb(hodisa.hold_documents($1, $2::integer, $3::integer)) as result'
const LOCK = 'select id, data from hodisa.lock_documents($1, $2::integer, $3::integer, $4::jsonb)'
const WRITE = `select to_jsonb(hodisa.write_documents($1, $2::integer, $3::integer, $4::jsonb, $5::jsonb, $6::jsonb)) as result`

/** The last write of each id of a collection, and the names of all indexes they have keys for. */
interface Batch {
  readonly collection: string
  readonly writes: ReadonlyMap<string, DocumentWrite>
  readonly indexes: ReadonlySet<string>
}

/** Documents inside an open transaction. */
export class DocumentSession implements TransactionDocuments {
  readonly #session: Pick<Session, 'query'>
  readonly #collections: Collections
  /** Ids that this transaction has locked, by collection. */
  readonly #locked = new Map<string, Set<string>>()

  constructor(session: Pick<Session, 'query'>, collections: Collections) {
    this.#session = session
    this.#collections = collections
  }

  async get(collection: string, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const wanted = [...new Set(ids)].filter(canBeId)
    const found = await this.#onTable(collection, [], async (table) => {
      const rows = await this.#session.query<[string | null, string]>(LOCK, [...known(table), JSON.stringify(wanted)])
      const documents = rows.flatMap(([id, data]) => (id === null ? [] : [[id, data] as const]))
      return documents.length < rows.length ? undefined : new Map(documents)
    })
    this.#remember(collection, wanted)
    return found
  }

  async write(writes: readonly DocumentWrite[]): Promise<void> {
    const batches = batchesOf(writes)
    // Nothing is written before all of them are known to be allowed, and to stay so.
    for (const batch of batches) {
      const check = async (table: Table) => {
        for (const write of batch.writes.values()) assertWrite(table, write)
        return batches.length === 1 || (await this.#done(HOLD, known(table)))
      }
      await this.#onTable(batch.collection, batch.indexes, check)
    }
    for (const batch of batches) await this.#write(batch)
  }

  async #write({ collection, writes, indexes }: Batch): Promise<void> {
    const locked = this.#locked.get(collection)
    const put = [...writes.values()].filter(({ data }) => data !== null)
    const removed = [...writes.values()].flatMap(({ id, data }) => (data === null ? [id] : []))
    const unlocked = [...writes.keys()].filter((id) => locked?.has(id) !== true)
    await this.#onTable(collection, indexes, (table) => {
      const rows = put.map((write) => rowOf(table, write))
      return this.#done(WRITE, [...known(table), ...[rows, removed, unlocked].map((values) => JSON.stringify(values))])
    })
    this.#remember(collection, writes.keys())
  }

  /** The step again on the table as it is now, where what was known is out of date. */
  async #onTable<Result>(
    collection: string,
    indexes: Iterable<string>,
    step: (table: Table) => Promise<Result | undefined>,
  ): Promise<Result> {
    for (;;) {
      const table = await this.#collections.having(collection, indexes, this.#session)
      const result = await step(table)
      if (result !== undefined) return result
      this.#collections.forget(collection)
    }
  }

  async #done(sql: string, values: readonly unknown[]): Promise<true | undefined> {
    const [row] = await this.#session.query<[boolean]>(sql, values)
    return row?.[0] === true ? true : undefined
  }

  #remember(collection: string, ids: Iterable<string>): void {
    const locked = this.#locked.get(collection) ?? new Set<string>()
    this.#locked.set(collection, locked)
    for (const id of ids) locked.add(id)
  }
}

function known({ name, number, indexes }: Table): readonly unknown[] {
  return [name, number, indexes.length]
}

/** By collection, in the order of their names: whoever writes several locks in the same order. */
function batchesOf(writes: readonly DocumentWrite[]): readonly Batch[] {
  const batches = new Map<string, { writes: Map<string, DocumentWrite>; indexes: Set<string> }>()
  for (const write of writes) {
    assertKeepable(write)
    const batch = batches.get(write.collection) ?? { writes: new Map(), indexes: new Set() }
    batches.set(write.collection, batch)
    batch.writes.set(write.id, write)
    for (const index in write.keys) batch.indexes.add(index)
  }
  return [...batches]
    .map(([collection, batch]) => ({ collection, ...batch }))
    .sort((one, other) => (one.collection < other.collection ? -1 : 1))
}

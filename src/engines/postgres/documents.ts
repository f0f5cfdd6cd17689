import { assertConditions, assertQuery } from '../../store/collection.ts'
import type {
  Collection,
  DocumentQuery,
  Documents,
  DocumentWrite,
  KeyCondition,
  StoredDocument,
  TransactionDocuments,
} from '../../store/documents.ts'
import { defineCollection, dropCollection } from './collection-change.ts'
import { Collections, isDefined, listTables, type Table, tableName } from './collections.ts'
import type { Database, Session } from './database.ts'
import { DocumentBatches } from './document-batches.ts'
import { countOf, searchOf } from './document-query.ts'
import { DocumentSession } from './document-session.ts'
import { canBeId } from './document-values.ts'
import { closed, isCollision, stateOf } from './errors.ts'
import { plannedAnew } from './planned-anew.ts'
import { inTransaction } from './transaction.ts'

/** How often a write is tried whose rows others lock in another order. */
const MOST_TRIES = 10

type FoundRow = [id: string, data: string, shape: string | null, ...keys: (string | null)[]]

/** The documents of the store: each collection is a table. */
export class PostgresDocuments implements Documents {
  readonly #database: Database
  readonly #durable: boolean
  readonly #collections = new Collections()
  readonly #batches = new DocumentBatches((writes) => this.#commit(writes))

  constructor(database: Database, durable = true) {
    this.#database = database
    this.#durable = durable
  }

  /** Inside a transaction that somebody else began, and ends. */
  on(session: Pick<Session, 'query'>): TransactionDocuments {
    return new DocumentSession(session, this.#collections)
  }

  async define(collection: Collection): Promise<void> {
    // Nearly always it is there: then nobody waits.
    if (isDefined(collection, await this.#collections.find(collection.name, this.#database))) return
    await defineCollection(this.#database, this.#collections, collection)
  }

  async drop(name: string): Promise<void> {
    if ((await this.#collections.find(name, this.#database)) === undefined) return
    await dropCollection(this.#database, this.#collections, name)
  }

  async list(): Promise<readonly Collection[]> {
    return (await listTables(this.#database)).map(({ name, indexes }) => ({ name, indexes }))
  }

  async get(collection: string, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const wanted = JSON.stringify(ids.filter(canBeId))
    return this.#read(collection, [], async (table) => {
      const sql = `select d.id, d.data from ${tableName(table)} d
        where d.id = any (array(select jsonb_array_elements_text($1::jsonb)))`
      return new Map(await plannedAnew<[string, string]>(this.#database, sql, [wanted]))
    })
  }

  async find(collection: string, query: DocumentQuery): Promise<readonly StoredDocument[]> {
    const { where = [], orderBy } = query
    const indexes = where.map(({ index }) => index)
    if (orderBy?.index !== undefined) indexes.push(orderBy.index)
    return this.#read(collection, indexes, async (table) => {
      assertQuery(table, query)
      if (query.limit <= 0) return []
      const { text, values } = searchOf(table, query)
      const rows = await plannedAnew<FoundRow>(this.#database, text, values)
      // Else they have keys that this process does not know of.
      if (rows.some(([, , shape]) => shape !== table.shape)) return undefined
      return rows.map((row) => documentOf(table, row))
    })
  }

  async count(collection: string, where: readonly KeyCondition[] = []): Promise<number> {
    const indexes = where.map(({ index }) => index)
    return this.#read(collection, indexes, async (table) => {
      assertConditions(table, where)
      const { text, values } = countOf(table, where)
      const [row] = await plannedAnew<[number]>(this.#database, text, values)
      return row?.[0] ?? 0
    })
  }

  async write(writes: readonly DocumentWrite[]): Promise<void> {
    if (this.#database.isClosed) throw closed(this.#database.patience.where)
    if (writes.length > 0) await this.#batches.write(writes)
  }

  async #commit(writes: readonly DocumentWrite[]): Promise<void> {
    for (let left = MOST_TRIES; ; left--) {
      try {
        await this.#database.persistently(() =>
          inTransaction(this.#database, async (session) => {
            await this.on(session).write(writes)
            await session.query('select hodisa.assure_durable($1)', [this.#durable])
          }),
        )
        return
      } catch (error) {
        if (left <= 1 || !isCollision(error instanceof Error ? error.cause : error)) throw error
      }
    }
  }

  /** Reads again where the table turns out to be another one, or to have changed. */
  async #read<Result>(
    collection: string,
    indexes: readonly string[],
    read: (table: Table) => Promise<Result | undefined>,
  ): Promise<Result> {
    for (;;) {
      const table = await this.#collections.having(collection, indexes, this.#database)
      try {
        const result = await read(table)
        if (result !== undefined) return result
      } catch (error) {
        if (!isGone(error)) throw error
      }
      this.#collections.forget(collection)
    }
  }
}

/** No such table: somebody has dropped the collection since. */
function isGone(error: unknown): boolean {
  return stateOf(error) === '42P01'
}

function documentOf({ indexes }: Table, [id, data, , ...values]: FoundRow): StoredDocument {
  const keys = indexes.flatMap((index, number) => {
    const key = values[number]
    return typeof key === 'string' ? [[index, key] as const] : []
  })
  return { id, data, keys: Object.fromEntries(keys) }
}

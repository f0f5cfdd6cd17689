import type { Statement } from 'better-sqlite3'
import { assertWrite, keyIn } from '../../store/collection.ts'
import type { DocumentWrite } from '../../store/documents.ts'
import { Collections, type Table, tableName } from './collections.ts'
import type { Connection } from './connection.ts'
import { Prepared } from './statements.ts'

/** A collection with the statements that write it. */
interface Writing {
  readonly table: Table
  readonly put: Statement<unknown[]>
  readonly remove: Statement<[string]>
  readonly get: Statement<[string], string>
  readonly expire: Statement<[number, number]>
}

/**
 * Reads and writes documents through one connection, inside a transaction that somebody else began. Which collections there are
 * is forgotten as soon as another connection may have written.
 */
export class DocumentWriter {
  readonly #connection: Pick<Connection, 'prepare'>
  readonly #collections: Collections
  /** By number of table and of columns: what a number stands for never changes. */
  readonly #prepared = new Prepared<Omit<Writing, 'table'>>()
  readonly #known = new Map<string, Writing>()

  constructor(connection: Pick<Connection, 'prepare'>) {
    this.#connection = connection
    this.#collections = new Collections(connection)
  }

  forget(): void {
    this.#known.clear()
  }

  /** Whether all may be written; writes nothing. @throws {HodisaError} `collection-unknown`, `invalid-option` */
  check(writes: readonly DocumentWrite[]): void {
    for (const write of writes) assertWrite(this.#writing(write.collection).table, write)
  }

  /** What was found to be allowed. */
  write(writes: readonly DocumentWrite[]): void {
    for (const { collection, id, data, keys, expiresAt } of writes) {
      const { table, put, remove } = this.#writing(collection)
      if (data === null) remove.run(id)
      else put.run(id, data, expiresAt ?? null, ...table.indexes.map((index) => keyIn(keys, index) ?? null))
    }
  }

  has(collection: string, id: string): boolean {
    return this.#writing(collection).get.get(id) !== undefined
  }

  get(collection: string, ids: readonly string[]): ReadonlyMap<string, string> {
    return getAll(this.#writing(collection).get, ids)
  }

  /** Removes at most so many that are over; tells how many. */
  expire(now: number, atMost: number): number {
    let removed = 0
    for (const { name } of this.#collections.tables()) {
      if (removed >= atMost) break
      removed += this.#writing(name).expire.run(now, atMost - removed).changes
    }
    return removed
  }

  #writing(collection: string): Writing {
    const known = this.#known.get(collection)
    if (known !== undefined) return known
    const table = this.#collections.get(collection)
    const shape = `${table.number} ${table.indexes.length}`
    const writing = { table, ...this.#prepared.get(shape, () => this.#statements(table)) }
    this.#known.set(collection, writing)
    return writing
  }

  #statements(table: Table): Omit<Writing, 'table'> {
    const name = tableName(table)
    const columns = ['data', 'expires_at', ...table.indexes.map((_, number) => `key_${number}`)]
    const prepare = (sql: string) => this.#connection.prepare<unknown[], unknown>(sql)
    return {
      put: prepare(
        `insert into ${name} (id, ${columns.join(', ')}) values (?${', ?'.repeat(columns.length)})
         on conflict (id) do update set ${columns.map((column) => `${column} = excluded.${column}`).join(', ')}`,
      ),
      remove: prepare(`delete from ${name} where id = ?`),
      get: prepareGet(this.#connection, table),
      expire: prepare(
        `delete from ${name} where id in (select id from ${name} where expires_at <= ? order by expires_at limit ?)`,
      ),
    }
  }
}

export function prepareGet(connection: Pick<Connection, 'prepare'>, table: Table): Statement<[string], string> {
  return connection.prepare<[string], string>(`select data from ${tableName(table)} where id = ?`).pluck()
}

/** Those that exist, by id. */
export function getAll(get: Statement<[string], string>, ids: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const id of ids) {
    const data = get.get(id)
    if (data !== undefined) found.set(id, data)
  }
  return found
}

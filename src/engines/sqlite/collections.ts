import type { Statement } from 'better-sqlite3'
import { assertCollection, collectionUnknown } from '../../store/collection.ts'
import type { Collection } from '../../store/documents.ts'
import { storedJson } from '../../store/stored-json.ts'
import type { Connection } from './connection.ts'

/** A collection and where it stands. Names never become part of a statement: its tables and columns have numbers. */
export interface Table extends Collection {
  readonly number: number
}

type Row = [number: number, indexes: string]

/** Knows the collections through one connection, inside a transaction or a read that somebody else began. */
export class Collections {
  readonly #find: Statement<[string], Row>
  readonly #list: Statement<[], [name: string, indexes: string]>

  constructor(connection: Pick<Connection, 'prepare'>) {
    this.#find = prepared(connection, 'select number, indexes from main.hodisa_collections where name = ?')
    this.#list = prepared(connection, 'select name, indexes from main.hodisa_collections order by name')
  }

  find(name: string): Table | undefined {
    const row = this.#find.get(name)
    return row === undefined ? undefined : { name, number: row[0], indexes: indexesOf(name, row[1]) }
  }

  /** @throws {HodisaError} `collection-unknown` */
  get(name: string): Table {
    const table = this.find(name)
    if (table === undefined) throw collectionUnknown(name)
    return table
  }

  list(): Collection[] {
    return this.#list.all().map(([name, indexes]) => ({ name, indexes: indexesOf(name, indexes) }))
  }

  /** All of them, for those who go through every document. */
  tables(): Table[] {
    return this.#list.all().map(([name]) => this.get(name))
  }
}

function indexesOf(name: string, text: string): readonly string[] {
  return storedJson(text, 'indexes', `collection ${name}`)
}

/** Whether nothing is left to do for `define`. @throws {HodisaError} `invalid-name` */
export function isDefined(collection: Collection, table: Table | undefined): boolean {
  assertCollection(collection)
  return table !== undefined && collection.indexes.every((index) => table.indexes.includes(index))
}

export function tableName({ number }: Table): string {
  return `main.hodisa_documents_${number}`
}

/** The column of an index that the collection has. */
export function columnOf({ indexes }: Table, index: string): string {
  return `key_${indexes.indexOf(index)}`
}

/** Makes the table or the columns that are missing, and says what the collection is from then on. */
export function defineTable(connection: Connection, before: Table | undefined, { name, indexes }: Collection): void {
  const table: Table = before ?? { name, indexes: [], number: createTable(connection, name) }
  const all = [...new Set([...table.indexes, ...indexes])]
  for (const column of all.keys()) {
    if (column < table.indexes.length) continue
    const bare = `hodisa_documents_${table.number}`
    connection.exec(`
      alter table ${bare} add column key_${column} text;
      create index ${bare}_by_${column} on ${bare} (key_${column}, id) where key_${column} is not null`)
  }
  connection
    .prepare('update hodisa_collections set indexes = ? where number = ?')
    .run(JSON.stringify(all), table.number)
}

function createTable(connection: Connection, name: string): number {
  const { lastInsertRowid } = connection
    .prepare(`insert into hodisa_collections (name, indexes) values (?, '[]')`)
    .run(name)
  const bare = `hodisa_documents_${Number(lastInsertRowid)}`
  connection.exec(`
    create table ${bare} (id text primary key not null, data text not null, expires_at integer);
    create index ${bare}_by_expiry on ${bare} (expires_at) where expires_at is not null`)
  return Number(lastInsertRowid)
}

export function dropTable(connection: Connection, table: Table): void {
  connection.exec(`drop table ${tableName(table)}`)
  connection.prepare('delete from hodisa_collections where number = ?').run(table.number)
}

function prepared<Parameters extends unknown[], Result extends unknown[]>(
  connection: Pick<Connection, 'prepare'>,
  sql: string,
): Statement<Parameters, Result> {
  // A connection of the user's may give integers as BigInt by default.
  return connection.prepare(sql).safeIntegers(false).raw() as unknown as Statement<Parameters, Result>
}

import type { Statement } from 'better-sqlite3'
import { assertConditions, assertQuery } from '../../store/collection.ts'
import type { Collection, DocumentQuery, KeyCondition, StoredDocument } from '../../store/documents.ts'
import { afterPrefix } from '../../store/sort-key.ts'
import { Collections, columnOf, type Table, tableName } from './collections.ts'
import type { Connection } from './connection.ts'
import { getAll, prepareGet } from './document-writer.ts'
import { Prepared, tuples, values as valuesOf } from './statements.ts'

const OPERATORS = { eq: '=', gt: '>', gte: '>=', lt: '<', lte: '<=' } as const

/** Part of a statement, and what is bound to it. */
interface Sql {
  readonly text: string
  readonly values: readonly unknown[]
}

type Row = [id: string, data: string, ...keys: (string | null)[]]

/** Reads of documents, each a synchronous step on the reading connection. */
export class DocumentReader {
  readonly #connection: Connection
  readonly #collections: Collections
  readonly #gets = new Prepared<Statement<[string], string>>()
  readonly #searches = new Prepared<Statement<unknown[], Row>>()
  readonly #counts = new Prepared<Statement<unknown[], number>>()

  constructor(connection: Connection) {
    this.#connection = connection
    this.#collections = new Collections(connection)
  }

  find(collection: string): Table | undefined {
    return this.#collections.find(collection)
  }

  list(): Collection[] {
    return this.#collections.list()
  }

  get(collection: string, ids: readonly string[]): ReadonlyMap<string, string> {
    const table = this.#collections.get(collection)
    const get = this.#gets.get(tableName(table), () => prepareGet(this.#connection, table))
    return getAll(get, ids)
  }

  search(collection: string, query: DocumentQuery): readonly StoredDocument[] {
    const table = this.#collections.get(collection)
    assertQuery(table, query)
    if (query.limit <= 0) return []
    const { text, values } = searchOf(table, query)
    const statement = this.#searches.get(text, () => tuples(this.#connection, text))
    return statement.all(...values).map((row) => documentOf(table, row))
  }

  count(collection: string, where?: readonly KeyCondition[]): number {
    const table = this.#collections.get(collection)
    assertConditions(table, where)
    const { text, values } = whereOf(conditionsOf(table, where))
    const sql = `select count(*) from ${tableName(table)}${text}`
    const statement = this.#counts.get(sql, () => valuesOf(this.#connection, sql))
    return statement.get(...values) ?? 0
  }
}

/** The statement of a query. Only numbers of tables and columns stand in its text: whatever was given is bound. */
export function searchOf(table: Table, { where, orderBy, after, limit }: DocumentQuery): Sql {
  const { index, descending = false } = orderBy ?? {}
  const direction = descending ? ' desc' : ''
  const column = index === undefined ? undefined : columnOf(table, index)
  const keys = table.indexes.map((each) => columnOf(table, each))
  const conditions = [...conditionsOf(table, where)]
  // SQLite walks an index only where it is told that no key is missing.
  if (column !== undefined) conditions.push({ text: `${column} is not null`, values: [] })
  if (after !== undefined) conditions.push(behind(column, after, descending))
  const { text, values } = whereOf(conditions)
  const order = column === undefined ? `id${direction}` : `${column}${direction}, id${direction}`
  return {
    text: `select ${['id', 'data', ...keys].join(', ')} from ${tableName(table)}${text} order by ${order} limit ?`,
    values: [...values, limit],
  }
}

function behind(column: string | undefined, after: NonNullable<DocumentQuery['after']>, descending: boolean): Sql {
  const operator = descending ? '<' : '>'
  if (column === undefined) return { text: `id ${operator} ?`, values: [after.id] }
  return { text: `(${column}, id) ${operator} (?, ?)`, values: [after.key, after.id] }
}

function whereOf(conditions: readonly Sql[]): Sql {
  if (conditions.length === 0) return { text: '', values: [] }
  return {
    text: ` where ${conditions.map(({ text }) => text).join(' and ')}`,
    values: conditions.flatMap(({ values }) => values),
  }
}

function conditionsOf(table: Table, where: readonly KeyCondition[] = []): Sql[] {
  return where.map((condition) => conditionOf(columnOf(table, condition.index), condition))
}

function conditionOf(column: string, condition: KeyCondition): Sql {
  if (condition.is === 'in') {
    return { text: `${column} in (select value from json_each(?))`, values: [JSON.stringify(condition.keys)] }
  }
  const { key } = condition
  if (condition.is !== 'prefix') return { text: `${column} ${OPERATORS[condition.is]} ?`, values: [key] }
  const end = afterPrefix(key)
  if (end === undefined) return { text: `${column} >= ?`, values: [key] }
  return { text: `(${column} >= ? and ${column} < ?)`, values: [key, end] }
}

function documentOf({ indexes }: Table, [id, data, ...values]: Row): StoredDocument {
  const keys: Record<string, string> = {}
  for (const [number, index] of indexes.entries()) {
    const key = values[number]
    if (typeof key === 'string') keys[index] = key
  }
  return { id, data, keys }
}

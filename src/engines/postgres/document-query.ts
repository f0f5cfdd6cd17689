import type { DocumentQuery, KeyCondition } from '../../store/documents.ts'
import { afterPrefix } from '../../store/sort-key.ts'
import { columnOf, type Table, tableName } from './collections.ts'
import { comparable } from './document-values.ts'

const OPERATORS = { eq: '=', gt: '>', gte: '>=', lt: '<', lte: '<=' } as const

/** A statement, or a part of one: only numbers of tables and columns stand in its text, whatever was given is bound. */
export interface Sql {
  readonly text: string
  readonly values: readonly unknown[]
}

/** Rows: id, data, the registry's indexes of the collection, and the key of each index. */
export function searchOf(table: Table, { where, orderBy, after, limit }: DocumentQuery): Sql {
  const { index, descending = false } = orderBy ?? {}
  const direction = descending ? ' desc' : ''
  const column = index === undefined ? undefined : columnOf(table, index)
  const bound = new Bound(table.name, limit)
  const conditions = conditionsOf(table, where, bound)
  // The index leaves out the documents without a key, and PostgreSQL must be told that they are not asked for.
  if (column !== undefined) conditions.push(`${column} is not null`)
  if (after !== undefined) {
    const operator = descending ? '<' : '>'
    const id = bound.text(after.id, 'after')
    conditions.push(
      column === undefined
        ? `id ${operator} ${id}`
        : `(${column}, id) ${operator} (${bound.text(after.key ?? '', 'after')}, ${id})`,
    )
  }
  const order = column === undefined ? `id${direction}` : `${column}${direction}, id${direction}`
  const keys = table.indexes.map((each) => columnOf(table, each))
  const shape = '(select c.indexes from hodisa.collections c where c.name = $1)'
  return {
    text: `select ${['id', 'data', shape, ...keys].join(', ')} from ${tableName(table)}${whereOf(conditions)}
      order by ${order} limit $2::bigint`,
    values: bound.values,
  }
}

/** One row: how many there are. */
export function countOf(table: Table, where: readonly KeyCondition[] = []): Sql {
  const bound = new Bound()
  const conditions = conditionsOf(table, where, bound)
  return { text: `select count(*) from ${tableName(table)}${whereOf(conditions)}`, values: bound.values }
}

/** Values of a statement, which are named by their place. */
class Bound {
  readonly values: unknown[]

  constructor(...values: readonly unknown[]) {
    this.values = [...values]
  }

  text(value: string, option: string): string {
    return `$${this.values.push(comparable(value, option))}::text`
  }

  texts(values: readonly string[], option: string): string {
    return `$${this.values.push(JSON.stringify(values.map((value) => comparable(value, option))))}::jsonb`
  }
}

function whereOf(conditions: readonly string[]): string {
  return conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`
}

function conditionsOf(table: Table, where: readonly KeyCondition[] = [], bound: Bound): string[] {
  return where.map((condition) => conditionOf(columnOf(table, condition.index), condition, bound))
}

function conditionOf(column: string, condition: KeyCondition, bound: Bound): string {
  if (condition.is === 'in') {
    return `${column} = any (array(select jsonb_array_elements_text(${bound.texts(condition.keys, 'where')})))`
  }
  const { key } = condition
  if (condition.is !== 'prefix') return `${column} ${OPERATORS[condition.is]} ${bound.text(key, 'where')}`
  const from = `${column} >= ${bound.text(key, 'where')}`
  const end = afterPrefix(key)
  return end === undefined ? from : `${from} and ${column} < ${bound.text(end, 'where')}`
}

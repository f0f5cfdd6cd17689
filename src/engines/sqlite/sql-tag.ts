import type { Statement } from 'better-sqlite3'
import { HodisaError } from '../../errors.ts'
import { assertInside, rowsOf, type SqlRows } from '../../store/sql.ts'
import type { Connection } from './connection.ts'
import { mapError } from './errors.ts'

type Bindable = number | bigint | string | Uint8Array | null

const MOST_CACHED = 256
const REFUSED = /^(begin|commit|end|rollback|savepoint|release|attach|detach|pragma|vacuum)\b/i

/** Runs the user's statements on the writing connection. */
export class SqlRunner {
  readonly #connection: Connection
  readonly #file: string
  readonly #statements = new Map<string, Statement<Bindable[], unknown>>()
  readonly #changes: Statement<[], number>

  constructor(connection: Connection, file: string) {
    this.#connection = connection
    this.#file = file
    this.#changes = connection.prepare<[], number>('select changes()').pluck()
  }

  run(parts: TemplateStringsArray, values: readonly unknown[]): SqlRows<unknown> {
    const bound = values.map(bind)
    try {
      const statement = this.#prepare(parts.join('?'))
      if (!statement.reader) return rowsOf([], statement.run(...bound).changes)
      const rows = statement.all(...bound)
      return rowsOf(rows, statement.readonly ? 0 : (this.#changes.get() ?? 0))
    } catch (error) {
      throw mapError(error, this.#file)
    }
  }

  #prepare(sql: string): Statement<Bindable[], unknown> {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    assertInside(sql, REFUSED)
    const statement = this.#connection.prepare<Bindable[], unknown>(sql)
    if (this.#statements.size >= MOST_CACHED) this.#statements.clear()
    this.#statements.set(sql, statement)
    return statement
  }
}

function bind(value: unknown, index: number): Bindable {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'bigint':
      return value
    case 'boolean':
      return value ? 1 : 0
    default:
      if (value === null || value instanceof Uint8Array) return value
      throw new HodisaError(
        'invalid-option',
        `tx.sql: parameter ${index + 1} is ${describe(value)}; a text, number, bigint, boolean, null or bytes is needed`,
        { parameter: index + 1 },
      )
  }
}

function describe(value: unknown): string {
  if (typeof value !== 'object' || value === null) return typeof value
  return value instanceof Date ? 'a Date' : Array.isArray(value) ? 'an array' : 'an object'
}

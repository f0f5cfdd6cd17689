import type { Statement } from 'better-sqlite3'
import type { Connection } from './connection.ts'

/** Rows as arrays. */
export function tuples<Parameters extends unknown[], Row extends unknown[]>(
  connection: Pick<Connection, 'prepare'>,
  sql: string,
): Statement<Parameters, Row> {
  return connection.prepare(sql).raw() as unknown as Statement<Parameters, Row>
}

/** Only the first column of each row. */
export function values<Parameters extends unknown[], Value>(
  connection: Pick<Connection, 'prepare'>,
  sql: string,
): Statement<Parameters, Value> {
  return connection.prepare(sql).pluck() as unknown as Statement<Parameters, Value>
}

const MOST_PREPARED = 256

/** Statements that are made when they are first needed. */
export class Prepared<Kind> {
  readonly #known = new Map<string, Kind>()

  get(name: string, make: () => Kind): Kind {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const made = make()
    if (this.#known.size >= MOST_PREPARED) this.#known.clear()
    this.#known.set(name, made)
    return made
  }
}

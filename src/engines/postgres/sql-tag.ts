import { HodisaError } from '../../errors.ts'
import { assertInside, rowsOf, type SqlRows, withoutComments } from '../../store/sql.ts'
import type { Session } from './database.ts'
import type { PgQuery } from './driver.ts'
import { mapError, stateOf } from './errors.ts'

const REFUSED = /^(begin|start|commit|end|rollback|abort|savepoint|release|prepare\s+transaction|listen|unlisten)\b/i
const READ = /^(select|values|show|explain)\b/i

/** As `pg` gives them, but whole numbers of 64 bits as numbers where they are safe: the same code runs on SQLite. */
async function userTypes(): Promise<PgQuery['types']> {
  const { default: pg } = await import('pg')
  const parse = pg.types.getTypeParser as (oid: number) => (text: string) => unknown
  return { getTypeParser: (oid) => (oid === 20 ? wholeNumber : parse(oid)) }
}

function wholeNumber(text: string): number | string {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : text
}

/** Runs the user's statements inside an open transaction. */
export class SqlRunner {
  readonly #where: string
  #types: Promise<PgQuery['types']> | undefined

  constructor(where: string) {
    this.#where = where
  }

  async run<Row>(session: Session, parts: TemplateStringsArray, values: readonly unknown[]): Promise<SqlRows<Row>> {
    const text = parts.reduce((sql, part, index) => `${sql}$${index}${part}`)
    assertInside(text, REFUSED)
    const wrong = values.findIndex(
      (value) => value === undefined || typeof value === 'function' || typeof value === 'symbol',
    )
    if (wrong >= 0) {
      throw new HodisaError(
        'invalid-option',
        `tx.sql: parameter ${wrong + 1} is ${typeof values[wrong]}; use null for nothing`,
        {
          parameter: wrong + 1,
        },
      )
    }
    this.#types ??= userTypes()
    const types = await this.#types
    try {
      // Never prepared: the types of parameters would stay what they were when a column was another one.
      const { rows, rowCount } = await session.raw({ text, values, ...(types !== undefined && { types }) })
      return rowsOf(rows as Row[], READ.test(withoutComments(text)) ? 0 : (rowCount ?? 0))
    } catch (error) {
      if (stateOf(error) === '25P02') throw transactionFailed(error)
      throw mapError(error, this.#where)
    }
  }
}

export function transactionFailed(cause?: unknown): HodisaError {
  return new HodisaError(
    'transaction-failed',
    'a statement of this transaction failed before, so that PostgreSQL takes no more of it and commits nothing',
    {},
    cause,
  )
}

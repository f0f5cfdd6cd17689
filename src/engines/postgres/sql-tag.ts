import { HodisaError } from '../../errors.ts'
import type { SqlRows } from '../../store/port.ts'
import type { Session } from './database.ts'
import type { PgQuery } from './driver.ts'
import { mapError, stateOf } from './errors.ts'

const COMMENTS = /^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/|;)+/
const REFUSED = /^(begin|start|commit|end|rollback|abort|savepoint|release|prepare\s+transaction|listen|unlisten)\b/i

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
    const refused = REFUSED.exec(text.replace(COMMENTS, ''))
    if (refused !== null) {
      throw new HodisaError('invalid-option', `tx.sql does not take ${refused[1]}: the transaction is the store's`, {
        statement: text.slice(0, 200),
      })
    }
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
      const { rows, rowCount } = await session.raw({ text, values, ...(types !== undefined && { types }) })
      return Object.defineProperty(rows, 'affected', { value: isRead(text) ? 0 : (rowCount ?? 0) }) as SqlRows<Row>
    } catch (error) {
      if (stateOf(error) === '25P02') throw transactionFailed(error)
      throw mapError(error, this.#where)
    }
  }
}

function isRead(text: string): boolean {
  return /^(select|values|show|explain)\b/i.test(text.replace(COMMENTS, ''))
}

export function transactionFailed(cause?: unknown): HodisaError {
  return new HodisaError(
    'transaction-failed',
    'a statement of this transaction failed before, so that PostgreSQL takes no more of it and commits nothing',
    {},
    cause,
  )
}

import { HodisaError } from '../../errors.ts'
import { assertInside, rowsOf, type SqlRows, withoutComments } from '../../store/sql.ts'
import { type Session, statementName } from './database.ts'
import type { PgQuery } from './driver.ts'
import { mapError, stateOf } from './errors.ts'

const REFUSED = /^(begin|start|commit|end|rollback|abort|savepoint|release|prepare\s+transaction|listen|unlisten)\b/i
/** Whose plan the server may keep: what it gives back has no shape that a changed table could change. */
const WRITE = /^(insert|update|delete|merge)\b(?![\s\S]*\breturning\b)/i
const READ = /^(select|values|show|explain)\b/i

/** Statements of the user's that connections keep, and how often one is sent until they do. */
const [MOST_PREPARED, FREQUENT] = [200, 4]

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
  readonly #mayPrepare: () => boolean
  readonly #frequent = new Map<string, { readonly name: string; uses: number }>()
  #types: Promise<PgQuery['types']> | undefined

  /** @param mayPrepare whether connections keep what is prepared on them */
  constructor(where: string, mayPrepare: () => boolean) {
    this.#where = where
    this.#mayPrepare = mayPrepare
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
      const name = this.#nameOf(text)
      const query = { text, values, ...(types !== undefined && { types }), ...(name !== undefined && { name }) }
      const { rows, rowCount } = await session.raw(query)
      return rowsOf(rows as Row[], READ.test(withoutComments(text)) ? 0 : (rowCount ?? 0))
    } catch (error) {
      if (stateOf(error) === '25P02') throw transactionFailed(error)
      throw mapError(error, this.#where)
    }
  }

  /** Of what comes again and again, so that it is planned once on each connection. */
  #nameOf(text: string): string | undefined {
    if (!WRITE.test(withoutComments(text)) || !this.#mayPrepare()) return undefined
    let statement = this.#frequent.get(text)
    if (statement === undefined) {
      if (this.#frequent.size >= MOST_PREPARED) return undefined
      statement = { name: statementName('u', text), uses: 0 }
      this.#frequent.set(text, statement)
    }
    statement.uses += 1
    return statement.uses < FREQUENT ? undefined : statement.name
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

import { HodisaError } from '../errors.ts'

/** Rows of a statement; `affected` counts what it changed. */
export type SqlRows<Row> = Row[] & { readonly affected: number }

/** The user's SQL inside a transaction of the store. Only this may be awaited while it is open. */
export type SqlTag = <Row = Record<string, unknown>>(
  parts: TemplateStringsArray,
  ...values: readonly unknown[]
) => Promise<SqlRows<Row>>

const COMMENTS = /^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/|;)+/

/** A statement from its first word on. */
export function withoutComments(statement: string): string {
  return statement.replace(COMMENTS, '')
}

/** @throws {HodisaError} `invalid-option` for a statement that begins as `refused` says */
export function assertInside(statement: string, refused: RegExp): void {
  const found = refused.exec(withoutComments(statement))
  if (found === null) return
  throw new HodisaError('invalid-option', `tx.sql does not take ${found[1]}: the transaction is the store's`, {
    statement: statement.slice(0, 200),
  })
}

export function rowsOf<Row>(rows: Row[], affected: number): SqlRows<Row> {
  return Object.defineProperty(rows, 'affected', { value: affected }) as SqlRows<Row>
}

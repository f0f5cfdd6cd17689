import { HodisaError } from '../../errors.ts'

const SCHEMA = /^[a-z_][a-z0-9_]{0,47}$/

/** Puts the name of the store's schema into SQL that is written for `hodisa`. */
export type Named = (sql: string) => string

/** @throws {HodisaError} `invalid-option` */
export function namesFor(schema: string): Named {
  if (typeof schema !== 'string' || !SCHEMA.test(schema) || schema.startsWith('pg_')) {
    throw new HodisaError(
      'invalid-option',
      `schema must be lower-case letters, digits and underscores, at most 48, not ${JSON.stringify(schema)}`,
      { option: 'schema' },
    )
  }
  if (schema === 'hodisa') return (sql) => sql
  // Quoted where a statement names it; the bare name is also the channel of notifications.
  return (sql) =>
    sql.replaceAll(/\bhodisa\./g, `"${schema}".`).replaceAll("pg_notify('hodisa'", `pg_notify('${schema}'`)
}

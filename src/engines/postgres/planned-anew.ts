import type { Database } from './database.ts'
import { OWN_TYPES } from './driver.ts'

/**
 * Like `database.query`, but not prepared: a plan that was made while a table was small would be kept when it has grown, and
 * where conditions may be anything, what fits one value does not fit another.
 */
export function plannedAnew<Row extends readonly unknown[]>(
  database: Database,
  sql: string,
  values: readonly unknown[],
): Promise<Row[]> {
  return database.persistently(() =>
    database.session(async (session) => {
      const query = { text: database.named(sql), values, rowMode: 'array', types: OWN_TYPES } as const
      return (await session.raw(query)).rows as Row[]
    }),
  )
}

import { HodisaError } from '../../errors.ts'
import type { Database, Session } from './database.ts'
import { DOCUMENT_FUNCTIONS } from './documents.sql.ts'
import { FUNCTIONS } from './functions.sql.ts'
import { GROUP_FUNCTIONS } from './groups.sql.ts'
import { PROGRESS_FUNCTIONS } from './progress.sql.ts'
import { type Migration, TABLES, VERSION_TABLE } from './schema.sql.ts'

export const MIGRATIONS: readonly Migration[] = [
  { version: 1, breaking: true, sql: TABLES + FUNCTIONS + PROGRESS_FUNCTIONS + GROUP_FUNCTIONS + DOCUMENT_FUNCTIONS },
]

/** Of the advisory lock under which one process at a time migrates. */
const LOCK = 0x486f6d69

/**
 * Brings the schema to what this release knows. Processes that start together wait for each other.
 *
 * @throws {HodisaError} `store-too-new` where a newer release has made a change that this one would not understand
 */
export async function migrate(database: Database, schema: string): Promise<void> {
  await database.persistently(() =>
    database.session(async (session) => {
      if ((await missing(session, schema)).length === 0) return
      await session.raw({ text: 'begin' })
      try {
        await session.query('select pg_advisory_xact_lock($1, hashtext($2))', [LOCK, schema])
        const [exists] = await session.query<[boolean]>('select to_regnamespace($1) is not null', [`"${schema}"`])
        if (exists?.[0] !== true) await session.raw({ text: `create schema "${schema}"` })
        await session.query(VERSION_TABLE)
        for (const { version, breaking, sql } of await missing(session, schema)) {
          await session.raw({ text: database.named(sql) })
          await session.query('insert into hodisa.schema_versions (version, breaking) values ($1, $2)', [
            version,
            breaking,
          ])
        }
        await session.raw({ text: 'commit' })
      } catch (error) {
        await session.raw({ text: 'rollback' }).catch(() => undefined)
        throw error
      }
    }),
  )
}

/** @throws {HodisaError} `store-unavailable` where `migrate` would have something to do */
export async function assertMigrated(database: Database, schema: string): Promise<void> {
  const [first] = await database.session((session) => missing(session, schema))
  if (first === undefined) return
  const version = first.version - 1
  const text =
    version === 0 ? `there is no store in the schema ${schema}` : `the schema ${schema} is at version ${version}`
  throw new HodisaError(
    'store-unavailable',
    `${text}: a program that may create it, and tables in it, must be started first`,
    { schema, version, known: MIGRATIONS.length },
  )
}

async function missing(session: Session, schema: string): Promise<readonly Migration[]> {
  const [table] = await session.query<[boolean]>('select to_regclass($1) is not null', [`"${schema}".schema_versions`])
  if (table?.[0] !== true) return MIGRATIONS
  const applied = await session.query<[number, boolean]>('select version, breaking from hodisa.schema_versions')
  const known = MIGRATIONS.length
  const foreign = applied.find(([version, breaking]) => version > known && breaking)
  if (foreign !== undefined) {
    throw new HodisaError(
      'store-too-new',
      `the schema ${schema} is at version ${foreign[0]}, and this release knows versions up to ${known}`,
      { schema, version: foreign[0], known },
    )
  }
  return MIGRATIONS.filter(({ version }) => !applied.some(([one]) => one === version))
}

import { HodisaError } from '../../errors.ts'
import type { Collection } from '../../store/documents.ts'
import { type Collections, isDefined, type Table, tableName } from './collections.ts'
import type { Database, Session } from './database.ts'
import { stateOf } from './errors.ts'
import { inTransaction } from './transaction.ts'

const LOCK = "select pg_advisory_xact_lock(hodisa.lock_key('collections', ''))"

/** Makes the collection and its indexes where they are missing. */
export async function defineCollection(
  database: Database,
  collections: Collections,
  collection: Collection,
): Promise<void> {
  const { name } = collection
  try {
    await changing(database, async (session) => {
      const table = await collections.find(name, session)
      if (!isDefined(collection, table)) await build(session, table, collection)
    })
  } catch (error) {
    throw explained(error, `collection ${name} cannot be made`)
  } finally {
    collections.forget(name)
  }
}

/** Removes the collection; nothing where there is none. */
export async function dropCollection(database: Database, collections: Collections, name: string): Promise<void> {
  try {
    await changing(database, async (session) => {
      const table = await collections.find(name, session)
      if (table === undefined) return
      await session.query('delete from hodisa.collections where name = $1', [name])
      await session.query(`drop table ${tableName(table)}`)
    })
  } catch (error) {
    throw explained(error, `collection ${name} cannot be dropped`)
  } finally {
    collections.forget(name)
  }
}

/** One process at a time changes collections. What it asks for may be done twice. */
async function changing(database: Database, work: (session: Session) => Promise<void>): Promise<void> {
  await database.persistently(() =>
    inTransaction(database, async (session) => {
      // An index over documents that stand there takes as long as it takes.
      await session.query('set local statement_timeout = 0')
      await session.query(LOCK)
      await work(session)
    }),
  )
}

async function build(session: Session, before: Table | undefined, { name, indexes }: Collection): Promise<void> {
  const number = before?.number ?? (await createTable(session, name))
  const table = tableName({ number })
  const have = before?.indexes ?? []
  const all = [...new Set([...have, ...indexes])]
  for (let column = have.length + 1; column <= all.length; column++) {
    await session.query(`alter table ${table} add column k${column} text collate "C"`)
    await session.query(
      `create index documents_${number}_by_k${column} on ${table} (k${column}, id) where k${column} is not null`,
    )
  }
  await session.query('update hodisa.collections set indexes = $1 where name = $2', [JSON.stringify(all), name])
}

async function createTable(session: Session, name: string): Promise<number> {
  const sql = "insert into hodisa.collections (name, indexes) values ($1, '[]') returning number"
  const [row] = await session.query<[number]>(sql, [name])
  if (row === undefined) throw new Error('no number was given to the collection')
  const [number] = row
  const table = tableName({ number })
  await session.query(
    `create table ${table} (
      id text collate "C" primary key, data text collate "C" not null, expires_at bigint) with (fillfactor = 80)`,
  )
  await session.query(
    `create index documents_${number}_by_expiry on ${table} (expires_at) where expires_at is not null`,
  )
  return number
}

function explained(error: unknown, what: string): unknown {
  const cause = error instanceof Error ? error.cause : undefined
  if (!(error instanceof HodisaError && stateOf(cause) === '42501')) return error
  const text = `${what}: the user of this process may not make or change tables in the schema of the store (${error.message})`
  return new HodisaError('store-denied', text, error.details, cause)
}

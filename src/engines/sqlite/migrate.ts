import { HodisaError } from '../../errors.ts'
import { type Connection, type Patience, whenFree } from './connection.ts'
import { APPLICATION_ID, MIGRATIONS, VERSION_TABLE } from './schema.sql.ts'

const NEWEST = MIGRATIONS.at(-1)?.version ?? 0

/**
 * Brings the schema up to date. Any number of processes may do so at once: the first does the work, the others find it done.
 *
 * @throws {HodisaError} `store-too-new`, `store-busy`
 */
export async function migrate(connection: Connection, patience: Patience): Promise<void> {
  const { file, clock } = patience
  const known = await whenFree(patience, () => versionOf(connection))
  if (known === NEWEST) return
  assertKnown(known, file)
  await whenFree(patience, () => connection.exec('begin immediate'))
  try {
    // Somebody may have been quicker while we waited for the lock.
    const current = versionOf(connection)
    assertKnown(current, file)
    connection.exec(VERSION_TABLE)
    const record = connection.prepare('insert into hodisa_schema (version, applied_at) values (?, ?)')
    for (const { version, sql } of MIGRATIONS) {
      if (version <= current) continue
      connection.exec(sql)
      record.run(version, Math.floor(clock.now()))
    }
    if (connection.pragma('application_id', { simple: true }) === 0) {
      connection.pragma(`application_id = ${APPLICATION_ID}`)
    }
    connection.exec('commit')
  } catch (error) {
    if (connection.inTransaction) connection.exec('rollback')
    throw error
  }
}

function versionOf(connection: Connection): number {
  const table = connection.prepare("select 1 from sqlite_schema where type = 'table' and name = 'hodisa_schema'").get()
  if (table === undefined) return 0
  return connection.prepare<[], number | null>('select max(version) from hodisa_schema').pluck().get() ?? 0
}

function assertKnown(version: number, file: string): void {
  if (version <= NEWEST) return
  throw new HodisaError('store-too-new', `store ${file} has schema ${version}; this release knows ${NEWEST}`, {
    file,
    version,
    known: NEWEST,
  })
}

import Database from 'better-sqlite3'
import { sqlite } from '../../engines/sqlite/index.ts'
import { HodisaError } from '../../errors.ts'
import type { Transaction } from '../../log/transaction.ts'
import type { StoreFactory } from '../../store/port.ts'
import type { Faults } from './faults.ts'

export type StoreName = 'sqlite' | 'postgres'

/** Where the processes of a run share their store. */
export interface StorePlace {
  readonly store: StoreName
  /** A file for SQLite. */
  readonly at: string
}

/** @throws {HodisaError} `invalid-option` */
export function assertStore(store: string): asserts store is 'sqlite' {
  if (store === 'sqlite') return
  const why = store === 'postgres' ? 'the laboratory does not know how to run on PostgreSQL yet' : `no store ${store}`
  throw new HodisaError('invalid-option', `store: ${why}; use "sqlite"`, { option: 'store', store })
}

export function storeAt({ store, at }: StorePlace): StoreFactory {
  assertStore(store)
  return sqlite(at)
}

/** Makes the points that lie below the store port, in the engine's own statements, known to the faults of this process. */
export function enginePoints({ store }: StorePlace, faults: Faults): void {
  assertStore(store)
  const { exec, prepare } = Database.prototype
  Database.prototype.exec = function (this: Database.Database, sql: string) {
    const result = exec.call(this, sql)
    if (sql.includes('create table if not exists hodisa_schema')) faults.reach('migration.begun')
    if (sql.includes('create table hodisa_events')) faults.reach('migration.made')
    if (sql === 'commit') faults.reach('migration.committed')
    return result
  }
  Database.prototype.prepare = function (this: Database.Database, sql: string) {
    const statement = prepare.call(this, sql)
    if (sql !== 'commit') return statement
    const run = statement.run.bind(statement) as () => Database.RunResult
    statement.run = () => {
      faults.reach('commit.before')
      const result = run()
      faults.reach('commit.after')
      return result
    }
    return statement
  } as typeof prepare
}

/** Keeps everybody else from writing for a while, as a long transaction of a program that is none of ours would. */
export async function holdStore({ at }: StorePlace, ms: number): Promise<void> {
  const other = new Database(at, { timeout: 2_000 })
  try {
    other.exec('begin immediate')
    await new Promise((resolve) => setTimeout(resolve, ms))
    other.exec('rollback')
  } finally {
    other.close()
  }
}

/** Makes the table of effects. It has no unique constraint, so that whatever happens twice shows. */
export async function effectsTable({ store }: StorePlace, { sql }: Pick<Transaction, 'sql'>): Promise<void> {
  assertStore(store)
  await sql`create table lab_effects (id integer primary key, service text, position integer, at real)`
}

import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { sqlite } from '../../engines/sqlite/index.ts'
import type { Faults } from './faults.ts'
import type { LabStore } from './stores.ts'

/** Runs of the laboratory on a SQLite file. */
export const onSqlite: LabStore = {
  // What is handed to the operating system survives a kill; a power cut is not tried.
  durability: 'os',
  async prepare(folder) {
    const at = join(folder, 'store.db')
    return { at, hold: (ms) => hold(at, ms), fileSize: () => statSync(at).size, close: async () => undefined }
  },
  factory: (at) => sqlite(at),
  async points(faults) {
    pointsIn(faults)
  },
  async effectsTable({ sql }) {
    await sql`create table lab_effects (id integer primary key, service text, position integer, at real)`
  },
}

function pointsIn(faults: Faults): void {
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

async function hold(at: string, ms: number): Promise<void> {
  const other = new Database(at, { timeout: 2_000 })
  try {
    other.exec('begin immediate')
    await delay(ms)
    other.exec('rollback')
  } finally {
    other.close()
  }
}

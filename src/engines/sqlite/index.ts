import type { StoreFactory } from '../../store/port.ts'
import { assertFile, openStore, type SqliteOptions } from './open.ts'

export type { OutboxConnection } from './outbox.ts'
export type { SqliteOptions }

/**
 * A store in a SQLite file, which is made where it does not exist. Several processes of one machine may share it; the file must
 * not lie on a network file system. Your own tables may live in it: those of Hodisa begin with `hodisa_`.
 *
 * A write resolves once it is on disk (`durability: 'fsync'`). Writes that wait at the same time share one transaction.
 * `app.outbox()` takes a better-sqlite3 database that is open on the same file.
 *
 * Opening rejects with `store-not-a-database`, `store-unavailable`, `store-read-only`, `store-full`, `store-corrupt`,
 * `store-busy`, `store-too-new` (written by a newer release) or `store-too-old` (a SQLite before 3.51.3).
 *
 * @throws {HodisaError} `invalid-option`
 */
export function sqlite(file: string, options: SqliteOptions = {}): StoreFactory {
  assertFile(file)
  return { engine: 'sqlite', open: (host) => openStore(file, options, host) }
}

import type { StoreFactory } from '../../store/port.ts'
import type { PostgresPool } from './driver.ts'
import { assertTarget, openStore, type PostgresOptions } from './open.ts'

export type { OutboxConnection } from './outbox.ts'
export type { PostgresOptions, PostgresPool }

/**
 * A store in a schema of a PostgreSQL database (13 or newer), which is made where it does not exist. Any number of processes may
 * share it. Needs the package `pg`.
 *
 * A write resolves once it is on the server's disk (`durability: 'fsync'`); writes that wait at the same time share one
 * transaction. A transaction that stays open, of anybody on the server, delays nothing but what it has locked itself.
 * `app.outbox()` takes a client of `pg`, or whatever sends `query(text, values)` on the connection whose transaction is open.
 *
 * @param target a URL, or a pool of `pg`, which stays yours: it is not ended with the app
 *
 * Opening rejects with `store-unavailable` (server or database not found), `store-denied` (user, password or rights),
 * `store-too-new` (a schema of a newer release), `store-too-old` (the server) or `driver-missing` (`pg` is not installed).
 *
 * @throws {HodisaError} `invalid-option`
 */
export function postgres(target: string | PostgresPool, options: PostgresOptions = {}): StoreFactory {
  assertTarget(target, options)
  return { engine: 'postgres', open: (host) => openStore(target, options, host) }
}

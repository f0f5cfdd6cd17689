import type { App } from '../../app-types.ts'
import { HodisaError } from '../../errors.ts'
import type { Transaction } from '../../log/transaction.ts'
import type { Durability, StoreFactory } from '../../store/port.ts'
import type { Faults } from './faults.ts'
import { onPostgres } from './on-postgres.ts'
import { onSqlite } from './on-sqlite.ts'

export type StoreName = 'sqlite' | 'postgres'

/** Where the processes of a run share their store. */
export interface StorePlace {
  readonly store: StoreName
  /** A file for SQLite, a URL for PostgreSQL. */
  readonly at: string
}

/** How the laboratory works with one kind of store. */
export interface LabStore {
  /** What processes ask for: a kill must take nothing that they were told of. */
  readonly durability: Durability
  /** Makes a place for one run, in a folder of its own. */
  prepare(folder: string): Promise<LabPlace>
  factory(at: string): StoreFactory
  /** Makes the points that lie below the store port, in the engine's own statements, known to the faults of this process. */
  points(faults: Faults): Promise<void>
  /** Makes the table of effects. It has no unique constraint, so that whatever happens twice shows. */
  effectsTable(tx: Pick<Transaction, 'sql'>): Promise<void>
}

/** The place of a run, and what can be done to it. What a store cannot suffer is absent. */
export interface LabPlace {
  readonly at: string
  /** Keeps others from writing for a while, as a long transaction of a program that is none of ours would. */
  hold(ms: number): Promise<void>
  /** Bytes of the largest file that its processes write themselves. */
  fileSize?(): number
  restartServer?(how: 'fast' | 'immediate'): Promise<void>
  /** Ends so many connections of its processes; tells how many there were. */
  terminateBackends?(count: number): Promise<number>
  /** Publishes in a transaction that stays open for a while and commits then. */
  publishLate?(app: App, publish: LatePublication, ms: number): Promise<void>
  close(): Promise<void>
}

/** Publishes through the outbox it is given. */
export type LatePublication = (outbox: ReturnType<App['outbox']>) => Promise<void>

const STORES: Readonly<Record<StoreName, LabStore>> = { sqlite: onSqlite, postgres: onPostgres }

/** @throws {HodisaError} `invalid-option` */
export function assertStore(store: string): asserts store is StoreName {
  if (Object.hasOwn(STORES, store)) return
  throw new HodisaError('invalid-option', `store: no store ${store}; use "sqlite" or "postgres"`, {
    option: 'store',
    store,
  })
}

export function labStore(store: StoreName): LabStore {
  return STORES[store]
}

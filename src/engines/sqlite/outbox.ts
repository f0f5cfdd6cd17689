import { statSync } from 'node:fs'
import { HodisaError } from '../../errors.ts'
import type { AppendRequest, Receipt } from '../../store/events.ts'
import { assertNothingInline } from '../../store/inline.ts'
import type { Capabilities, StoreHost } from '../../store/port.ts'
import { LogWriter, receiptOf } from './append.ts'
import { assertVersion, type Connection } from './connection.ts'
import { mapError } from './errors.ts'

/** What a better-sqlite3 database has, whichever release of it the user has installed. */
export type OutboxConnection = Pick<Connection, 'prepare' | 'pragma' | 'inTransaction' | 'name'>

/** `synchronous` is at least this (full) where a commit has to be on disk. */
const FULL = 2

/** Appends inside transactions of the user's own. */
export class Outboxes {
  readonly #file: string
  readonly #host: StoreHost
  readonly #limits: Capabilities
  readonly #writers = new WeakMap<object, LogWriter>()

  constructor(file: string, host: StoreHost, limits: Capabilities) {
    this.#file = file
    this.#host = host
    this.#limits = limits
  }

  /** @throws {HodisaError} `invalid-option`, `outbox-other-store`, `store-too-old` */
  of(given: unknown): { append(request: AppendRequest): Receipt } {
    const connection = asConnection(given)
    let writer = this.#writers.get(connection)
    if (writer === undefined) {
      this.#assertSameFile(connection)
      assertVersion(connection, this.#file)
      writer = this.#guarded(() => new LogWriter(connection, this.#limits))
      this.#writers.set(connection, writer)
    }
    const log = writer
    return { append: (request) => this.#append(connection, log, request) }
  }

  #append(connection: OutboxConnection, log: LogWriter, request: AppendRequest): Receipt {
    if (!connection.inTransaction) {
      throw new HodisaError('outbox-no-transaction', 'no transaction is open on the connection of the outbox', {})
    }
    return this.#guarded(() => {
      this.#assertDurable(connection)
      // The user may have rolled back to a savepoint since: nothing is remembered.
      log.begin(this.#host.clock.now(), true)
      return receiptOf([log.write(log.plan(request, assertNothingInline))], true)
    })
  }

  #assertDurable(connection: OutboxConnection): void {
    if (this.#host.durability === 'os') return
    const synchronous = Number(connection.pragma('synchronous', { simple: true }))
    if (synchronous >= FULL) return
    throw new HodisaError(
      'outbox-not-durable',
      `the connection of the outbox has synchronous = ${synchronous}: a commit could be lost with the power`,
      { synchronous },
    )
  }

  #assertSameFile(connection: OutboxConnection): void {
    const path = fileOf(connection)
    const theirs = path === '' ? undefined : statSync(path, { throwIfNoEntry: false })
    const ours = statSync(this.#file)
    if (theirs !== undefined && theirs.dev === ours.dev && theirs.ino === ours.ino) return
    const shown = path === '' ? 'a database in memory' : path
    throw new HodisaError('outbox-other-store', `the connection of the outbox is to ${shown}, not to ${this.#file}`, {
      file: this.#file,
      connection: shown,
    })
  }

  #guarded<Result>(action: () => Result): Result {
    try {
      return action()
    } catch (error) {
      throw mapError(error, this.#file)
    }
  }
}

function asConnection(given: unknown): OutboxConnection {
  const candidate = given as Partial<OutboxConnection> | null | undefined
  if (
    typeof candidate === 'object' &&
    candidate !== null &&
    typeof candidate.prepare === 'function' &&
    typeof candidate.pragma === 'function' &&
    typeof candidate.inTransaction === 'boolean'
  ) {
    return candidate as OutboxConnection
  }
  throw new HodisaError('invalid-option', 'the outbox of a SQLite store takes a better-sqlite3 database', {
    option: 'connection',
  })
}

/** As SQLite opened it: `name` may be relative to a folder that is no longer the current one. */
function fileOf(connection: OutboxConnection): string {
  const databases = connection.pragma('database_list') as { name: string; file: string }[]
  return databases.find(({ name }) => name === 'main')?.file ?? ''
}

import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HodisaError } from '../../errors.ts'
import { createDatabase, dropDatabase } from './databases.ts'
import { findPostgres, type PostgresPrograms } from './find.ts'
import { Guardian } from './guardian.ts'
import { Machine, type Parts, type StopMode, type Tls, USER } from './machine.ts'
import { give, reachable, serverUser } from './user.ts'

export interface PostgresServerOptions {
  /** Those of this machine by default. */
  readonly programs?: PostgresPrograms
  /** Whether a commit is on disk before it is acknowledged; true by default. Without, it does as if, and is quicker. */
  readonly fsync?: boolean
  /** 200 by default. */
  readonly maxConnections?: number
  /** 0 by default, so that nothing can be prepared. */
  readonly maxPreparedTransactions?: number
  /** Asks for a random password, or for this one; by default anybody on this machine may connect. */
  readonly password?: boolean | string
  /** Also accepts encrypted connections. */
  readonly tls?: Tls
  /** Any other of its settings. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>
}

/**
 * A PostgreSQL server of its own, on a free port of the loopback, with its data in a temporary folder. It is gone, folder and all,
 * when it is stopped or when this process ends in any way, also by SIGKILL. It does not keep this process alive.
 *
 * @throws {HodisaError} `store-unavailable` when there is no PostgreSQL here or it does not start
 */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const found = options.programs ?? findPostgres({ ...process.env, HODISA_TEST_POSTGRES_URL: undefined })
  if ('missing' in found) throw new HodisaError('store-unavailable', found.missing)
  if ('url' in found) throw new TypeError('a server that runs is not started')
  const { password = false } = options
  const secret = password === true ? randomBytes(16).toString('hex') : password || undefined
  const user = serverUser()
  const folder = mkdtempSync(join(tmpdir(), 'hodisa-postgres-'))
  const guardian = new Guardian(folder)
  try {
    give(folder, user)
    const programs = reachable(found, user, folder)
    const machine = new Machine({ programs, folder, user, guardian, settings: settingsOf(options) })
    await machine.prepare(secret, options.tls)
    await machine.start()
    return new PostgresServer(machine, found.version, secret)
  } catch (error) {
    await guardian.dismiss()
    throw error
  }
}

/** A server that runs, see {@link startPostgres}. */
export class PostgresServer {
  /** Of its database `postgres`; stays the same over restarts. */
  readonly url: string
  /** As PostgreSQL counts, for example 17. */
  readonly version: number
  readonly #machine: Machine

  constructor(machine: Machine, version: number, password: string | undefined) {
    this.#machine = machine
    this.version = version
    const user = password === undefined ? USER : `${USER}:${encodeURIComponent(password)}`
    this.url = `postgresql://${user}@127.0.0.1:${machine.port}/postgres`
  }

  /** Of the process all others of the server come from; undefined while it is down. */
  get pid(): number | undefined {
    return this.#machine.pid
  }

  /** Where its data and its log lie. */
  get folder(): string {
    return this.#machine.folder
  }

  /** What it has written to its log. */
  log(): string {
    return this.#machine.log()
  }

  /** Makes a database; its URL. */
  createDatabase(name?: string): Promise<string> {
    return createDatabase(this.url, name)
  }

  /** Also ends the connections to it. */
  dropDatabase(url: string): Promise<void> {
    return dropDatabase(this.url, url)
  }

  /** Takes it down: connections break, new ones are refused. */
  async down({ mode = 'fast' }: { readonly mode?: StopMode } = {}): Promise<void> {
    await this.#machine.end(mode)
  }

  /** Starts it again, on the same port, with all that was committed. */
  async up(): Promise<void> {
    await this.#machine.start()
  }

  async restart({ mode = 'fast' }: { readonly mode?: StopMode } = {}): Promise<void> {
    await this.down({ mode })
    await this.up()
  }

  /** Ends it for good and removes its folder. */
  async stop(): Promise<void> {
    await this.#machine.end('immediate')
    await this.#machine.guardian.dismiss()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

function settingsOf(options: PostgresServerOptions): Parts['settings'] {
  const { fsync = true, maxConnections = 200, maxPreparedTransactions = 0, tls, settings = {} } = options
  return {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: maxConnections,
    max_prepared_transactions: maxPreparedTransactions,
    // A page that is torn by a power cut is the other thing that only a disk can lose.
    ...(!fsync && { fsync, full_page_writes: false }),
    ...(tls && { ssl: true }),
    ...settings,
  }
}

import { HodisaError } from '../../errors.ts'
import { type Duration, milliseconds } from '../../event/duration.ts'
import { shown } from '../../event/input.ts'
import type { StoreHost } from '../../store/port.ts'
import { Database } from './database.ts'
import { makePool, type PostgresPool } from './driver.ts'
import { Inlines } from './inlines.ts'
import { assertMigrated, migrate } from './migrate.ts'
import { namesFor } from './names.ts'
import { PostgresStore } from './store.ts'

export interface PostgresOptions {
  /** Name of the schema the store lives in; `'hodisa'` by default. Several stores may share a database. */
  readonly schema?: string
  /**
   * How long a lost connection, or what another transaction holds, is waited for, before a call is rejected with
   * `store-unavailable` or `store-busy`; `'10s'` by default.
   */
  readonly busyTimeout?: Duration
  /**
   * Connections of this process at most: one that listens and beats, one for the order of the log, the others for appends, reads and
   * transactions; 10 by default, at least 5. With a pool of yours its own `max` counts.
   */
  readonly connections?: number
  /** As `pg` takes it, for a URL that does not say: `true`, or `{ ca, cert, key, rejectUnauthorized }`. */
  readonly tls?: boolean | Readonly<Record<string, unknown>>
  /**
   * Makes the schema where it is missing, and brings it to this release; true by default. With false, for a user who may not create
   * anything, opening rejects with `store-unavailable` where that is still to be done.
   */
  readonly migrate?: boolean
}

const FEWEST_CONNECTIONS = 5
/** PostgreSQL 13 is the first with 64-bit transaction ids as a type. */
const OLDEST_SERVER = 130_000
/** In which any text can be kept. */
const ENCODINGS = ['UTF8', 'SQL_ASCII']

export async function openStore(
  target: string | PostgresPool,
  options: PostgresOptions,
  host: StoreHost,
): Promise<PostgresStore> {
  const { schema = 'hodisa', tls, migrate: mayMigrate = true } = options
  const own = typeof target === 'string'
  const connections = own ? (options.connections ?? 10) : (target.options?.max ?? 10)
  const pool = own
    ? await makePool({
        connectionString: target,
        max: connections,
        application_name: 'hodisa',
        connectionTimeoutMillis: 5_000,
        keepAlive: true,
        // Node probes every second from then on: a machine that is gone without a word is found within half a minute.
        keepAliveInitialDelayMillis: 10_000,
        ...(tls !== undefined && { ssl: tls }),
      })
    : target
  const where = own ? withoutPassword(target) : 'in the pool given'
  const busyTimeout = milliseconds(options.busyTimeout ?? '10s', 'busyTimeout')
  const database = new Database(pool, own, namesFor(schema), {
    where,
    clock: host.clock,
    busyTimeout,
    durable: host.durability === 'fsync',
  })
  try {
    await assertServer(database)
    if (mayMigrate) await migrate(database, schema)
    else await assertMigrated(database, schema)
    const inlines = new Inlines(database)
    await inlines.refresh()
    const [row] = await database.query<[string]>('select id from hodisa.identity')
    const mostTransactions = Math.max(1, connections - 4)
    return new PostgresStore({ database, host, schema, identity: row?.[0] ?? '', inlines, mostTransactions })
  } catch (error) {
    await database.close()
    throw error
  }
}

async function assertServer(database: Database): Promise<void> {
  // Not again and again: whoever starts a program wants to know at once that the address is wrong.
  const [row] = await database.once<[string, string, string]>(
    "select current_setting('server_version_num'), current_setting('server_version'), current_setting('server_encoding')",
  )
  const [number = '0', shown = '', encoding = ''] = row ?? []
  if (Number(number) < OLDEST_SERVER) {
    const text = `the server is PostgreSQL ${shown}; 13 or newer is needed`
    throw new HodisaError('store-too-old', text, { version: shown })
  }
  if (ENCODINGS.includes(encoding)) return
  const text = `store ${database.patience.where}: the database keeps text as ${encoding}, which not every text fits into; make one with the encoding UTF8`
  throw new HodisaError('invalid-option', text, { option: 'url', encoding })
}

/** @throws {HodisaError} `invalid-option` */
export function assertTarget(
  target: unknown,
  { connections, schema }: PostgresOptions,
): asserts target is string | PostgresPool {
  if (schema !== undefined) namesFor(schema)
  if (connections !== undefined && !(Number.isSafeInteger(connections) && connections >= FEWEST_CONNECTIONS)) {
    throw new HodisaError(
      'invalid-option',
      `connections must be a whole number from ${FEWEST_CONNECTIONS}, not ${shown(connections)}`,
      {
        option: 'connections',
      },
    )
  }
  if (typeof target === 'string') {
    if (isUrl(target)) return
    throw new HodisaError(
      'invalid-option',
      'postgres() takes a URL such as postgres://user:password@host:5432/database',
      {
        option: 'url',
      },
    )
  }
  if (typeof target !== 'object' || target === null || !('connect' in target) || typeof target.connect !== 'function') {
    throw new HodisaError('invalid-option', 'postgres() takes a URL, or a pool of pg', { option: 'url' })
  }
  const max = (target as PostgresPool).options?.max
  if (max !== undefined && max < FEWEST_CONNECTIONS) {
    throw new HodisaError(
      'invalid-option',
      `the pool must allow ${FEWEST_CONNECTIONS} connections, not ${max}: two of them are kept`,
      {
        option: 'max',
        max,
      },
    )
  }
}

function isUrl(text: string): boolean {
  try {
    const { username, password, pathname } = new URL(text)
    decodeURIComponent(`${username}${password}${pathname}`)
    return /^postgres(ql)?:\/\//.test(text)
  } catch {
    return false
  }
}

function withoutPassword(url: string): string {
  const { host, pathname, username } = new URL(url)
  return `postgres://${username === '' ? '' : `${username}@`}${host}${pathname}`
}

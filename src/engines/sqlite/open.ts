import { resolve } from 'node:path'
import { HodisaError } from '../../errors.ts'
import { type Duration, milliseconds } from '../../event/duration.ts'
import type { StoreHost } from '../../store/port.ts'
import { type Connection, openForReading, openForWriting, type Patience, whenFree } from './connection.ts'
import { mapError } from './errors.ts'
import { migrate } from './migrate.ts'
import { SqliteStore } from './store.ts'

export interface SqliteOptions {
  /**
   * How long a write waits for another process or connection that holds the file, before it is rejected with `store-busy`;
   * `'10s'` by default. Nothing blocks meanwhile.
   */
  readonly busyTimeout?: Duration
}

/** @param tune sees the writing connection before it is used */
export async function openStore(
  file: string,
  options: SqliteOptions,
  host: StoreHost,
  tune?: (connection: Connection) => void,
): Promise<SqliteStore> {
  // Absolute from here on: the process may change its folder.
  const path = resolve(file)
  const busyTimeout = milliseconds(options.busyTimeout ?? '10s', 'busyTimeout')
  const patience: Patience = { file: path, clock: host.clock, busyTimeout }
  const connection = await openForWriting(patience, host.durability)
  let reading: Connection | undefined
  try {
    tune?.(connection)
    await migrate(connection, patience)
    reading = openForReading(path)
    const readable = reading
    return await whenFree(patience, () => new SqliteStore(connection, readable, host, patience))
  } catch (error) {
    reading?.close()
    connection.close()
    throw mapError(error, path)
  }
}

/** @throws {HodisaError} `invalid-option` for what is no path of a file. */
export function assertFile(file: unknown): asserts file is string {
  if (typeof file === 'string' && file !== '' && !file.startsWith('file:') && !file.includes(':memory:')) return
  const hint = typeof file === 'string' && file.includes(':memory:') ? ': use memory() of hodisa/memory' : ''
  throw new HodisaError(
    'invalid-option',
    `sqlite() takes the path of a file, not ${JSON.stringify(file) ?? typeof file}${hint}`,
    { option: 'file' },
  )
}

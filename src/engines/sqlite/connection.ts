import { accessSync, constants, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import Database from 'better-sqlite3'
import { HodisaError } from '../../errors.ts'
import type { Clock, StoreHost } from '../../store/port.ts'
import { busyTooLong, codeOf, isBusy, mapError } from './errors.ts'

export type Connection = Database.Database

/** SQLite from 3.7.0 to 3.51.2 can corrupt a WAL file that several connections reset at once. */
const OLDEST_SQLITE = '3.51.3'

/** What waiting for another writer needs to know. */
export interface Patience {
  readonly file: string
  readonly clock: Clock
  /** Ms. */
  readonly busyTimeout: number
}

/**
 * Opens the writing connection of a store.
 *
 * @throws {HodisaError} `store-*`
 */
export async function openForWriting(patience: Patience, durability: StoreHost['durability']): Promise<Connection> {
  const { file } = patience
  assertUsable(file)
  const connection = connect(file, {})
  try {
    // Whoever opened the file before may hold all of it for a moment, and so does turning a new one into WAL.
    await whenFree(patience, () => assertVersion(connection, file))
    const mode = await whenFree(patience, () => connection.pragma('journal_mode = wal', { simple: true }))
    if (mode !== 'wal') {
      throw new HodisaError('store-unavailable', `store ${file}: this file system cannot hold a write-ahead log`, {
        file,
      })
    }
    connection.pragma(`synchronous = ${durability === 'fsync' ? 'full' : 'normal'}`)
    if (durability === 'fsync' && process.platform === 'darwin') {
      connection.pragma('fullfsync = on')
      connection.pragma('checkpoint_fullfsync = on')
    }
    return connection
  } catch (error) {
    connection.close()
    throw mapError(error, file)
  }
}

export function openForReading(file: string): Connection {
  try {
    return connect(file, { readonly: true, fileMustExist: true })
  } catch (error) {
    throw mapError(error, file)
  }
}

function connect(file: string, options: Database.Options): Connection {
  try {
    // SQLite's own waiting would block the event loop: busy is handled by timers instead.
    return new Database(file, { ...options, timeout: 0 })
  } catch (error) {
    throw mapError(error, file)
  }
}

/** Runs `attempt` until the file is free, waiting on timers. */
export async function whenFree<Result>(patience: Patience, attempt: () => Result): Promise<Result> {
  const { file, clock, busyTimeout } = patience
  const start = clock.monotonic()
  for (;;) {
    try {
      return attempt()
    } catch (error) {
      if (!isBusy(error)) throw error
      const waited = clock.monotonic() - start
      if (waited >= busyTimeout) throw busyTooLong(file, waited, error)
    }
    await new Promise<void>((done) => void clock.after(retryDelay(), done))
  }
}

/** Spread out, so that waiting processes do not meet again and again. */
export function retryDelay(): number {
  return 1 + Math.random() * 7
}

/** @throws {HodisaError} `store-too-old` */
export function assertVersion(connection: Pick<Connection, 'prepare'>, file: string): void {
  const version = String(connection.prepare<[], string>('select sqlite_version()').pluck().get())
  if (!isOlder(version, OLDEST_SQLITE)) return
  throw new HodisaError(
    'store-too-old',
    `store ${file}: SQLite ${version} can corrupt files that several connections write; ${OLDEST_SQLITE} is the first without that fault`,
    { file, version, required: OLDEST_SQLITE },
  )
}

export function isOlder(version: string, than: string): boolean {
  const left = version.split('.').map(Number)
  const right = than.split('.').map(Number)
  for (const [index, part] of right.entries()) {
    const difference = (left[index] ?? 0) - part
    if (difference !== 0) return difference < 0
  }
  return false
}

/** SQLite opens what it may not write for reading, and says so only at the first write: told here instead. */
function assertUsable(file: string): void {
  const folder = dirname(resolve(file))
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new HodisaError('store-unavailable', `store ${file}: the folder ${folder} does not exist`, { file, folder })
  }
  const found = statSync(file, { throwIfNoEntry: false })
  if (found !== undefined && !found.isFile()) {
    throw new HodisaError('store-not-a-database', `store ${file} is not a regular file`, { file })
  }
  if (found === undefined) assertRight(folder, constants.W_OK, 'store-unavailable', file)
  else {
    assertRight(file, constants.R_OK, 'store-unavailable', file)
    assertRight(file, constants.W_OK, 'store-read-only', file)
    assertRight(folder, constants.W_OK, 'store-read-only', file)
  }
}

function assertRight(path: string, mode: number, code: 'store-read-only' | 'store-unavailable', file: string): void {
  try {
    accessSync(path, mode)
  } catch (error) {
    const right = mode === constants.R_OK ? 'read' : 'write'
    throw new HodisaError(
      codeOf(error) === 'EROFS' ? 'store-read-only' : code,
      `store ${file}: this process may not ${right} ${path}`,
      { file, path },
      error,
    )
  }
}

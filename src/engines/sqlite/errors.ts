import { type ErrorCode, HodisaError } from '../../errors.ts'

const CODES: readonly (readonly [prefix: string, code: ErrorCode, text: string])[] = [
  ['SQLITE_FULL', 'store-full', 'the disk is full'],
  ['SQLITE_NOTADB', 'store-not-a-database', 'the file is not a SQLite database'],
  ['SQLITE_CORRUPT', 'store-corrupt', 'the file is damaged'],
  ['SQLITE_READONLY', 'store-read-only', 'the file or its folder may not be written'],
  ['SQLITE_CANTOPEN', 'store-unavailable', 'the file cannot be opened'],
  ['SQLITE_PERM', 'store-unavailable', 'the file may not be opened'],
  ['SQLITE_AUTH', 'store-unavailable', 'the file may not be opened'],
  ['SQLITE_IOERR', 'store-unavailable', 'the disk reports an error'],
  ['SQLITE_BUSY', 'store-busy', 'another writer holds the file'],
  ['SQLITE_LOCKED', 'store-busy', 'another writer holds the file'],
  ['ENOSPC', 'store-full', 'the disk is full'],
  ['EROFS', 'store-read-only', 'the file system is read-only'],
]

/** The code of an error of SQLite or the system; '' for any other. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

export function isBusy(error: unknown): boolean {
  return codeOf(error).startsWith('SQLITE_BUSY')
}

/** The typed error for what SQLite threw; anything unknown, such as a violated constraint of the user's, as it came. */
export function mapError(error: unknown, file: string): unknown {
  if (error instanceof HodisaError) return error
  const code = codeOf(error)
  const found = CODES.find(([prefix]) => code.startsWith(prefix))
  if (found === undefined) return error
  const [, mapped, text] = found
  const reason = error instanceof Error ? error.message : code
  return new HodisaError(mapped, `store ${file}: ${text} (${reason})`, { file, sqlite: code }, error)
}

export function busyTooLong(file: string, waited: number, cause: unknown): HodisaError {
  return new HodisaError(
    'store-busy',
    `store ${file}: another writer has held the file for ${Math.round(waited)} ms`,
    { file, waited: Math.round(waited) },
    cause,
  )
}

export function closed(file: string): HodisaError {
  return new HodisaError('store-unavailable', `store ${file} is closed`, { file, closed: true })
}

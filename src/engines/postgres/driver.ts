import { HodisaError } from '../../errors.ts'

/** What is asked of a client of `pg`. */
export interface PgClient {
  query(query: PgQuery): Promise<PgResult>
  on(event: 'notification', listener: (message: { channel: string; payload?: string }) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  off(event: string, listener: (...args: never[]) => void): unknown
  /** Of the server's process, as the connection was told. */
  readonly processID?: number | null
  /** Gives it back to its pool; with true, or an error, the connection is closed. */
  release(destroy?: boolean | Error): void
}

export interface PgQuery {
  readonly text: string
  readonly values?: readonly unknown[]
  readonly name?: string
  readonly rowMode?: 'array'
  readonly types?: { getTypeParser(oid: number): (text: string) => unknown }
}

export interface PgResult {
  readonly rows: unknown[]
  readonly rowCount: number | null
}

/** A pool of `pg`: yours, or one that `postgres(url)` makes. */
export interface PostgresPool {
  connect(): Promise<unknown>
  end(): Promise<unknown>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'connect', listener: (client: unknown) => void): unknown
  readonly options?: { readonly max?: number }
}

interface PgModule {
  readonly Pool: new (options: Record<string, unknown>) => PostgresPool
}

/** @throws {HodisaError} `driver-missing` */
export async function makePool(options: Record<string, unknown>): Promise<PostgresPool> {
  let pg: PgModule
  try {
    const loaded: unknown = await import('pg')
    pg = (loaded as { default: PgModule }).default
  } catch (cause) {
    throw new HodisaError('driver-missing', 'the package `pg` is not installed', { package: 'pg' }, cause)
  }
  return new pg.Pool(options)
}

const NUMBER = Number
const BOOLEAN = (text: string) => text === 't'
const TEXT = (text: string) => text

/** Of the store's own rows: whole numbers, which are all safe integers, and text. */
export const OWN_TYPES: NonNullable<PgQuery['types']> = {
  getTypeParser(oid) {
    switch (oid) {
      case 16:
        return BOOLEAN
      case 20: // int8
      case 21: // int2
      case 23: // int4
      case 26: // oid
      case 701: // float8
        return NUMBER
      case 114: // json
      case 3802: // jsonb
        return JSON.parse
      default:
        return TEXT
    }
  },
}

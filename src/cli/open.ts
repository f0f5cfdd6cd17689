import { existsSync } from 'node:fs'
import { postgres } from '../engines/postgres/index.ts'
import { sqlite } from '../engines/sqlite/index.ts'
import { type AnyEventDefinition, type App, hodisa, isHodisaError, type Logger, type StoreFactory } from '../index.ts'
import { CommandError } from './failure.ts'
import { printable } from './format.ts'
import type { Terminal } from './terminal.ts'

export interface OpenOptions {
  /** What --store gave. */
  readonly store?: string | undefined
  /** What --schema gave. */
  readonly schema?: string | undefined
  /** Makes the store where there is none. */
  readonly create?: boolean
  readonly events?: readonly AnyEventDefinition[]
}

/** Opens the store that --store or HODISA_STORE names, for as long as `work` takes. */
export async function withApp<Result>(
  options: OpenOptions,
  terminal: Terminal,
  work: (app: App) => Promise<Result>,
): Promise<Result> {
  const store = storeOf(options)
  const app = await hodisa({ source: 'hodisa-cli', store, events: options.events ?? [], logger: loggerOf(terminal) })
  try {
    return await work(app)
  } finally {
    await app.stop()
  }
}

/** The store that options or the environment name. @throws {CommandError} `no-store`, `store-unknown`, `store-missing` */
export function storeOf({ store: text = process.env.HODISA_STORE, schema, create = false }: OpenOptions): StoreFactory {
  if (text === undefined || text === '') throw new CommandError('no-store', 'no store is given')
  // One letter is a Windows drive.
  const [, scheme = 'sqlite', rest = text] = /^([a-z][a-z0-9+.-]+):(.*)$/is.exec(text) ?? []
  switch (scheme.toLowerCase()) {
    case 'postgres':
    case 'postgresql':
      return postgresStore(rest, schema, create)
    case 'sqlite':
      if (schema === undefined) return sqliteStore(rest.replace(/^\/\//, ''), create)
      throw new CommandError('usage', '--schema is for stores in PostgreSQL')
    default:
      throw new CommandError('store-unknown', `no engine of this release opens ${scheme}: stores`)
  }
}

function sqliteStore(path: string, create: boolean): StoreFactory {
  if (path === '' || path === ':memory:' || path.includes('\0')) {
    throw new CommandError('store-unknown', `"${path}" names no file`)
  }
  if (!create && !existsSync(path)) throw new CommandError('store-missing', `there is no store at ${path}`)
  return sqlite(path)
}

/** What stands behind `#` is the schema: no server gets to see it, and no other tool gives it a meaning. */
function postgresStore(address: string, schema: string | undefined, create: boolean): StoreFactory {
  const [target = '', fragment] = address.split('#', 2)
  const name = schema ?? (fragment || undefined)
  const { engine, open } = named(`postgres:${target}`, {
    ...(name !== undefined && { schema: name }),
    migrate: create,
    connections: 5,
  })
  return {
    engine,
    open: (host) =>
      open(host).catch((error: unknown) => {
        if (!isHodisaError(error, 'store-unavailable') || error.details.version !== 0) throw error
        throw new CommandError('store-missing', `there is no store in the schema ${error.details.schema}`)
      }),
  }
}

/** What is wrong with a URL is said without it: it may hold a password. */
function named(target: string, options: Parameters<typeof postgres>[1]): StoreFactory {
  try {
    return postgres(target, options)
  } catch (error) {
    if (!isHodisaError(error, 'invalid-option') || error.details.option !== 'url') throw error
    throw new CommandError('store-unknown', 'the store is no URL such as postgres://user:password@host:5432/database')
  }
}

export function loggerOf(terminal: Terminal): Logger {
  const say = (level: string) => (message: string) => terminal.note(`${level}: ${printable(message)}\n`)
  const quiet = () => undefined
  return { debug: quiet, info: quiet, warn: say('warning'), error: say('error') }
}

import { existsSync } from 'node:fs'
import { sqlite } from '../engines/sqlite/index.ts'
import { type AnyEventDefinition, type App, hodisa, type Logger, type StoreFactory } from '../index.ts'
import { CommandError } from './failure.ts'
import { printable } from './format.ts'
import type { Terminal } from './terminal.ts'

export interface OpenOptions {
  /** What --store gave. */
  readonly store?: string | undefined
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
  const store = storeOf(options.store ?? process.env.HODISA_STORE, options.create ?? false)
  const app = await hodisa({ source: 'hodisa-cli', store, events: options.events ?? [], logger: loggerOf(terminal) })
  try {
    return await work(app)
  } finally {
    await app.stop()
  }
}

function storeOf(text: string | undefined, create: boolean): StoreFactory {
  if (text === undefined || text === '') throw new CommandError('no-store', 'no store is given')
  // One letter is a Windows drive.
  const [, scheme, rest = ''] = /^([a-z][a-z0-9+.-]+):(.*)$/is.exec(text) ?? []
  if (scheme !== undefined && scheme.toLowerCase() !== 'sqlite') {
    throw new CommandError('store-unknown', `no engine of this release opens ${scheme}: stores`)
  }
  const path = scheme === undefined ? text : rest.replace(/^\/\//, '')
  if (path === '' || path === ':memory:' || path.includes('\0')) {
    throw new CommandError('store-unknown', `"${text}" names no file`)
  }
  if (!create && !existsSync(path)) throw new CommandError('store-missing', `there is no store at ${path}`)
  return sqlite(path)
}

function loggerOf(terminal: Terminal): Logger {
  const say = (level: string) => (message: string) => terminal.note(`${level}: ${printable(message)}\n`)
  const quiet = () => undefined
  return { debug: quiet, info: quiet, warn: say('warning'), error: say('error') }
}

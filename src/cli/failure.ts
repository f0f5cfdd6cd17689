import { type ErrorCode, HodisaError, isHodisaError } from '../index.ts'
import { printable } from './format.ts'
import type { Terminal } from './terminal.ts'

export const EXIT = { ok: 0, failed: 1, usage: 2, notFound: 3, refused: 4, store: 5, interrupted: 130 } as const
export type Exit = (typeof EXIT)[keyof typeof EXIT]

/** What only the command itself can get wrong; all else is a HodisaError. */
export const FAULTS = {
  usage: { exit: EXIT.usage, fix: 'Run the command with --help to see what it takes.' },
  'no-store': { exit: EXIT.usage, fix: 'Give --store <store>, or set HODISA_STORE.' },
  'store-unknown': {
    exit: EXIT.usage,
    fix: 'Give the path of a SQLite store (shop.db or sqlite:shop.db), or the URL of a PostgreSQL database.',
  },
  'store-missing': {
    exit: EXIT.store,
    fix: 'Correct --store, --schema or HODISA_STORE. Only `hodisa publish` and `hodisa copy` make a new store.',
  },
  'invalid-json': { exit: EXIT.usage, fix: 'Give one JSON object: in quotes, as @file, or as - for standard input.' },
  'no-definitions': {
    exit: EXIT.usage,
    fix: 'Give the modules that export what defineEvent returned, each definition once. TypeScript is loaded as Node loads it.',
  },
  'no-projections': {
    exit: EXIT.usage,
    fix: 'Give the modules that export what defineProjection returned. TypeScript is loaded as Node loads it.',
  },
  'view-differs': {
    exit: EXIT.failed,
    fix: 'Where the handlers are right, build the view anew: `hodisa projections rebuild`.',
  },
  'no-record': { exit: EXIT.usage, fix: 'Run `hodisa schema record` with the same modules, and commit the file.' },
  'invalid-record': {
    exit: EXIT.usage,
    fix: 'Restore the file from version control, or remove it and run `hodisa schema record`.',
  },
  'schema-breaking': {
    exit: EXIT.failed,
    fix: 'Raise `version` and give the upcaster, or undo the change. Once it is right, run `hodisa schema record`.',
  },
  'editor-failed': {
    exit: EXIT.failed,
    fix: 'Set EDITOR to a command that waits until the file is closed, or give --data.',
  },
  'not-found': { exit: EXIT.notFound, fix: 'Check the id: `hodisa events list` shows the events of the store.' },
  incomplete: { exit: EXIT.failed, fix: 'Look at `hodisa dead list` for what is left.' },
  'not-confirmed': { exit: EXIT.refused, fix: 'Answer y, or give --yes to go ahead without being asked.' },
  interrupted: { exit: EXIT.interrupted, fix: 'Run it again to do the rest.' },
  'output-failed': { exit: EXIT.failed, fix: 'Not everything was written: look at where standard output goes.' },
  internal: {
    exit: EXIT.failed,
    fix: 'This is a fault of hodisa: please report it. HODISA_DEBUG=1 shows where it happened.',
  },
} as const

export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly code: keyof typeof FAULTS
  readonly fix: string
  readonly exit: Exit

  constructor(code: keyof typeof FAULTS, message: string) {
    super(message)
    this.code = code
    this.fix = FAULTS[code].fix
    this.exit = FAULTS[code].exit
  }
}

export const EXITS: Partial<Record<ErrorCode, Exit>> = {
  'invalid-option': EXIT.usage,
  'invalid-name': EXIT.usage,
  'invalid-data': EXIT.usage,
  'unserialisable-data': EXIT.usage,
  'stream-and-key': EXIT.usage,
  'service-unknown': EXIT.notFound,
  'dead-letter-unknown': EXIT.notFound,
  'projection-unknown': EXIT.notFound,
  'service-running': EXIT.refused,
  'id-reused': EXIT.refused,
  'copy-refused': EXIT.refused,
}

/** Tells the person, or with `json` the program, what went wrong. */
export function report(error: unknown, terminal: Terminal, json: boolean): Exit {
  const known = asKnown(error)
  const { code, message, fix } = known
  if (json) {
    const details = known instanceof HodisaError ? { details: known.details } : {}
    terminal.note(`${JSON.stringify({ error: { code, message, fix, ...details } })}\n`)
  } else {
    terminal.note(`${terminal.styleNote('red', `error ${code}:`)} ${printable(message)}\n${fix}\n`)
  }
  if (process.env.HODISA_DEBUG && error instanceof Error) terminal.note(`${error.stack}\n`)
  return exitOf(known)
}

function asKnown(error: unknown): HodisaError | CommandError {
  if (isHodisaError(error) || error instanceof CommandError) return error
  return new CommandError('internal', error instanceof Error ? error.message : String(error))
}

function exitOf(error: HodisaError | CommandError): Exit {
  if (error instanceof CommandError) return error.exit
  return EXITS[error.code] ?? (error.code.startsWith('store-') ? EXIT.store : EXIT.failed)
}

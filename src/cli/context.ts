import type { App } from '../index.ts'
import { CommandError } from './failure.ts'
import type { Terminal } from './terminal.ts'

/** What every command gets beside the app and its own arguments. */
export interface Context {
  readonly terminal: Terminal
  /** One JSON value a line instead of what a person reads. */
  readonly json: boolean
  /** Go ahead without asking. */
  readonly yes: boolean
  /** With `--events`: the store as one sees it who knows no definitions. */
  readonly raw?: App
}

/** One value: a line of JSON, or as a person reads it (whole lines). */
export async function print({ terminal, json }: Context, value: unknown, human: () => string): Promise<void> {
  await terminal.write(json ? `${JSON.stringify(value)}\n` : human())
}

/** Asks before what cannot be taken back. @throws {CommandError} `not-confirmed` */
export async function confirm({ terminal, yes }: Context, question: string): Promise<void> {
  if (yes) return
  if (!terminal.interactive) throw new CommandError('not-confirmed', `nobody is there to answer: ${question}`)
  const agreed = await terminal.ask(`${question} [y/N] `)
  assertGoingOn(terminal)
  if (!agreed) throw new CommandError('not-confirmed', 'nothing was done')
}

/** Whether nobody reads any further. @throws {CommandError} `interrupted` */
export function isOver({ terminal }: Context): boolean {
  assertGoingOn(terminal)
  return terminal.ended.aborted
}

export function assertGoingOn(terminal: Terminal, done = 'it was not done'): void {
  if (terminal.interrupted) throw new CommandError('interrupted', done)
}

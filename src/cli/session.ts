import type { Command } from 'commander'
import type { App } from '../index.ts'
import type { Context } from './context.ts'
import { definitionsIn } from './definitions.ts'
import { type OpenOptions, withApp } from './open.ts'
import type { Terminal } from './terminal.ts'

interface GlobalOptions {
  readonly store?: string
  readonly schema?: string
  readonly events?: readonly string[]
  readonly json?: boolean
  readonly yes?: boolean
}

type Work = (app: App, context: Context) => Promise<void>
type Prepared = Omit<OpenOptions, 'store' | 'schema'> & { readonly work: Work }

/** Ties commands to what they do: the store is opened when their arguments are known to be right, and closed in the end. */
export function session(terminal: Terminal) {
  function actWith<Options extends object>(
    command: Command,
    prepare: (options: Options, args: readonly string[]) => Promise<Prepared>,
  ): void {
    command.action(async () => {
      const { store, schema, json = false, yes = false, events: modules } = command.optsWithGlobals<GlobalOptions>()
      const { work, ...rest } = await prepare(command.opts<Options>(), command.args)
      const context = { terminal, json, yes }
      if (modules === undefined || rest.events !== undefined) {
        await withApp({ store, schema, ...rest }, terminal, (app) => work(app, context))
        return
      }
      const events = await definitionsIn(modules)
      await withApp({ store, schema, ...rest, events }, terminal, (app) =>
        withApp({ store, schema }, terminal, (raw) => work(app, { ...context, raw })),
      )
    })
  }

  function act<Options extends object = object>(
    command: Command,
    work: (app: App, context: Context, options: Options, args: readonly string[]) => Promise<void>,
  ): void {
    actWith<Options>(command, async (options, args) => ({
      work: (app, context) => work(app, context, options, args),
    }))
  }

  return { act, actWith }
}

import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import type { App, DeadLetterState, EventKind, From, ReadOptions } from '../index.ts'
import type { Context } from './context.ts'
import { type CopyArguments, copy } from './copy.ts'
import { type Action, actOnDead, assertChoice, editDead, type ListArguments, listDead, showDead } from './dead.ts'
import { getEvent, listEvents, type TailArguments, tail } from './events.ts'
import { explainStore } from './explain.ts'
import {
  dropProjection,
  listProjections,
  type RebuildArguments,
  rebuildProjections,
  verifyProjections,
} from './projections.ts'
import { type AnyProjection, projectionsIn } from './projections-source.ts'
import { definitionOf, type PublishArguments, publish } from './publish.ts'
import { addSchema } from './schema.ts'
import { forgetService, listServices, pauseService, resetService, resumeService } from './services.ts'
import { session } from './session.ts'
import type { Terminal } from './terminal.ts'
import { trace } from './trace.ts'
import { end, integer, jsonObject, list, place } from './values.ts'

const AFTER_HELP = `
Exit codes:
  0    done; also a tail ended by Ctrl-C, and a closed pipe
  1    failed
  2    wrong usage: an option, a name, the data
  3    not found: an event, a service, a dead letter
  4    refused: not confirmed, or the store does not allow it
  5    the store cannot be opened, read or written
  130  ended by Ctrl-C before it was done

Data goes to standard output, all else to standard error. Colours follow NO_COLOR.
Times are local unless they have a zone; <place> is start, now, a position, a time, or 15m for 15 minutes ago.`

/** The command, ready to parse. */
export function programFor(terminal: Terminal, json: boolean): Command {
  const program = new Command('hodisa')
    .description('Looks into a Hodisa store, and acts on it.')
    .version(version())
    .option('--store <store>', 'a path, sqlite:path, or postgres://user@host/database#schema (default: HODISA_STORE)')
    .option('--schema <name>', 'of a store in PostgreSQL (default: what stands behind # in its URL, else hodisa)')
    .option('--events <modules>', 'show events as these definitions see them, e.g. ./events.ts', list)
    .option('--json', 'one JSON value a line')
    .option('--yes', 'do not ask before what cannot be taken back')
    .addHelpText('after', AFTER_HELP)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.write(text),
      writeErr: (text) => void (json || terminal.note(text)),
      outputError: () => undefined,
      getOutHelpWidth: () => terminal.width ?? 100,
      getErrHelpWidth: () => terminal.width ?? 100,
    })
  const { act, actWith } = session(terminal)

  act<TailArguments & TraceIds>(
    program
      .command('tail')
      .description('shows events as they come, until Ctrl-C')
      .option('--types <patterns>', 'only these, e.g. order.*,payment.**', list)
      .option('--from <place>', 'where to begin (default: now)', place)
      .option('--source <name>', 'only what this program published')
      .option('--correlation <id>', 'only what this trigger set off')
      .option('--limit <n>', 'end after so many', integer(0)),
    (app, context, options) => tail(app, context, withIds(options)),
  )

  const publishing = program
    .command('publish')
    .description('records one event. It knows no schemas: the data is not validated')
    .argument('<type>', 'e.g. order.created')
    .argument('<data>', 'a JSON object, @file, or - for standard input')
    .option('--id <id>', 'recorded once, however often it is published')
    .option('--stream <stream>', 'category-id, e.g. order-42')
    .option('--key <key>', 'what order is kept by, for an event of no stream')
    .option('--correlation <id>', 'default: its own id')
    .option('--cause <id>', 'id of the event it follows from')
    .option('--schema-version <n>', 'of the schema the data has', integer(1, 1_000), 1)
    .addOption(
      new Option('--kind <kind>', 'what it is about').choices(['domain', 'system', 'integration']).default('domain'),
    )
  actWith<Omit<PublishArguments, 'data'> & TraceIds & { kind: EventKind; schemaVersion: number }>(
    publishing,
    async ({ kind, schemaVersion, ...extras }, [type = '', data = '']) => {
      const definition = definitionOf({ type, kind, version: schemaVersion })
      const parsed = await jsonObject(data, terminal)
      return {
        events: [definition],
        create: true,
        work: (app, context) => publish(app, context, definition, { ...withIds(extras), data: parsed }),
      }
    },
  )

  const events = program.command('events').description('reads what was recorded')
  act(events.command('get').description('shows one event').argument('<id>'), (app, context, _, [id = '']) =>
    getEvent(app, context, id),
  )
  act<ReadOptions & TraceIds>(
    events
      .command('list')
      .description('shows events, oldest first, to the end of the log')
      .option('--types <patterns>', 'only these, e.g. order.*,payment.**', list)
      .option('--stream <stream>', 'only this stream; --from and --to are revisions then')
      .option('--from <place>', 'where to begin (default: start)', place)
      .option('--to <place>', 'where to end, inclusive', end)
      .option('--correlation <id>', 'only what this trigger set off')
      .option('--limit <n>', 'at most so many', integer(0))
      .option('--backwards', 'newest first'),
    (app, context, options) => listEvents(app, context, withIds(options)),
  )

  act<{ limit: number }>(
    program
      .command('trace')
      .description('shows all that one trigger set off, as a tree of causes')
      .argument('<id>', 'a correlation id, or the id of any event of it')
      .option('--limit <n>', 'at most so many events', integer(1), 1_000),
    (app, context, { limit }, [id = '']) => trace(app, context, { id, limit }),
  )

  act(
    program
      .command('explain')
      .description('tells what each service of the store can rely on, why, and what weakens it'),
    explainStore,
  )

  addSchema(program, terminal)

  const copying = program
    .command('copy')
    .description(
      'copies a store into an empty one, of whatever engine, and compares the two; goes on with what was begun',
    )
    .requiredOption('--from <store>', 'the store to copy, as --store takes it')
    .requiredOption('--to <store>', 'where to copy it to; it is made where it is not there')
    .option('--force', 'although processes run services on the store')
  copying.action(async () => {
    const { json = false, yes = false, ...options } = copying.optsWithGlobals<CopyArguments & GlobalFlags>()
    await copy({ terminal, json, yes }, options)
  })

  const services = program.command('services').description('shows the services of the store, and steers them')
  act(services.command('list').description('shows each service: its state, lag and failures'), listServices)
  act<{ reason?: string }>(
    services
      .command('pause')
      .description('starts nothing more until resumed; what runs is finished')
      .argument('<service>')
      .option('--reason <text>', 'shown in the list'),
    (app, context, { reason }, [service = '']) => pauseService(app, context, service, reason),
  )
  act(services.command('resume').argument('<service>').description('ends a pause'), (app, context, _, [service = '']) =>
    resumeService(app, context, service),
  )
  act<{ from: From }>(
    services
      .command('reset')
      .description('moves it; events after the place come (again)')
      .argument('<service>')
      .requiredOption('--from <place>', 'where to go on from', place),
    (app, context, { from }, [service = '']) => resetService(app, context, service, from),
  )
  act(
    services
      .command('forget')
      .argument('<service>')
      .description('removes its subscriptions, progress and dead letters'),
    (app, context, _, [service = '']) => forgetService(app, context, service),
  )

  const projections = program
    .command('projections')
    .description('shows the projections of the store, and builds them anew')
  act(
    projections
      .command('list')
      .description('shows each version: its state, how far it is, and what it does not get past'),
    listProjections,
  )
  building(
    'rebuild',
    'builds views anew beside the current ones, and puts them in their place; what was begun is gone on with',
    rebuildProjections,
  )
    .option('--diff', 'shows the documents that will be other ones, before the swap')
    .option('--fresh', 'goes on with nothing that another run has left')
  building('verify', 'computes views anew, shows what differs, and changes nothing', verifyProjections)
  act(
    projections
      .command('drop')
      .argument('<name@version>')
      .description('removes a version that nobody runs any more: its documents and its progress'),
    (app, context, _, [name = '']) => dropProjection(app, context, name),
  )

  const dead = program.command('dead').description('shows the events that services gave up on, and acts on them')
  act<ListArguments>(
    filtered(dead.command('list').description('shows dead letters'))
      .addOption(new Option('--state <state>', 'only in this state').choices(['parked', 'redriving', 'skipped']))
      .option('--limit <n>', 'at most so many', integer(0)),
    listDead,
  )
  act(
    dead.command('show').description('shows one: its error and its event').argument('<id>'),
    (app, context, _, [id = '']) => showDead(app, context, id),
  )
  actWith<{ data?: string }>(
    dead
      .command('edit')
      .description('opens its data in $EDITOR, then redrives it with what was saved. The data is not validated')
      .argument('<id>')
      .option('--data <data>', 'instead of the editor: JSON, @file or -'),
    async ({ data }, [id = '']) => {
      const given = data === undefined ? undefined : await jsonObject(data, terminal)
      return { work: (app, context) => editDead(app, context, id, given) }
    },
  )
  acting('redrive', 'tries again, ahead of what waits behind it').option(
    '--data <data>',
    'edited data, for this service only: JSON, @file or -',
  )
  acting('skip', 'gives it up and goes on with its key; the record stays')
  acting('drop', 'like skip, and the record goes too')
  return program

  function filtered(command: Command): Command {
    return command
      .option('--service <name>', 'only of this service')
      .option('--key <key>', 'only of this key')
      .option('--type <type>', 'only events of this type')
      .option('--until <place>', 'only events up to this position or time', end)
  }

  function building(
    name: string,
    description: string,
    work: (app: App, context: Context, chosen: readonly AnyProjection[], options: RebuildArguments) => Promise<void>,
  ): Command {
    const command = projections
      .command(name)
      .description(description)
      .argument('<module...>', 'modules that export projections, e.g. ./projections.ts')
      .option('--projection <names>', 'only these, e.g. order-summary,stock', list)
    actWith<RebuildArguments & { projection?: readonly string[] }>(command, async (options, modules) => {
      const { projections: chosen, events } = await projectionsIn(modules, options.projection ?? [])
      return { events, work: (app, context) => work(app, context, chosen, options) }
    })
    return command
  }

  function acting(action: Action, description: string): Command {
    const command = dead
      .command(action)
      .description(description)
      .argument('[id...]')
      .option('--all', 'all of the store')
    actWith<Omit<ListArguments, 'limit' | 'state'> & { all?: boolean; data?: string }>(
      filtered(command),
      async ({ all = false, data, ...filter }, ids) => {
        assertChoice(ids, all || Object.keys(filter).length > 0, data !== undefined)
        const state: DeadLetterState = 'parked'
        const choice = ids.length > 0 ? { ids } : { ids, filter: { ...filter, ...(action !== 'drop' && { state }) } }
        const edited = data === undefined ? {} : { data: await jsonObject(data, terminal) }
        return { work: (app, context) => actOnDead(app, context, action, { ...choice, ...edited }) }
      },
    )
    return command
  }
}

interface GlobalFlags {
  readonly json?: boolean
  readonly yes?: boolean
}

interface TraceIds {
  readonly correlation?: string
  readonly cause?: string
}

function withIds<Options extends TraceIds>({ correlation, cause, ...options }: Options) {
  return {
    ...options,
    ...(correlation !== undefined && { correlationId: correlation }),
    ...(cause !== undefined && { causationId: cause }),
  }
}

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return version
}

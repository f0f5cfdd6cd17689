import type { Command } from 'commander'
import type { AnyEventDefinition } from '../index.ts'
import { type Context, confirm, print } from './context.ts'
import { definitionsIn } from './definitions.ts'
import { CommandError } from './failure.ts'
import { count, printable } from './format.ts'
import { type OpenOptions, withApp } from './open.ts'
import { compareRecords, type Finding, type Level } from './schema-check.ts'
import { readRecord, recordOf, type SchemaRecord, writeRecord } from './schema-record.ts'
import { type Sampling, sample } from './schema-samples.ts'
import type { Style, Terminal } from './terminal.ts'
import { integer } from './values.ts'

const FILE = 'hodisa.schema.json'

interface SchemaOptions {
  readonly file: string
  readonly samples: number
  readonly store?: string
  readonly schema?: string
  readonly json?: boolean
  readonly yes?: boolean
}

/** `schema record` and `schema check`, which need no store. */
export function addSchema(program: Command, terminal: Terminal): void {
  const schema = program
    .command('schema')
    .description('compares the definitions of events with what was recorded of them')
  const subcommand = (
    name: string,
    description: string,
    work: (modules: readonly string[], options: SchemaOptions, context: Context) => Promise<void>,
  ) => {
    const command = schema
      .command(name)
      .description(description)
      .argument('<module...>', 'modules that export definitions, e.g. ./events.ts')
      .option('--file <file>', 'the record, which is committed', FILE)
    return command.action(async () => {
      const options = command.optsWithGlobals<SchemaOptions>()
      await work(command.args, options, { terminal, json: options.json ?? false, yes: options.yes ?? false })
    })
  }
  subcommand('record', 'writes down the definitions as they are', recordSchemas)
  subcommand(
    'check',
    'tells what has changed since the record, and fails where recorded events cannot be read any more',
    checkSchemas,
  ).option('--samples <n>', 'with --store: how many events of each type and version to try', integer(1, 10_000), 10)
}

/** Asks before it takes over a change that breaks. */
async function recordSchemas(modules: readonly string[], { file }: SchemaOptions, context: Context): Promise<void> {
  const { record } = await loaded(modules)
  const before = readRecord(file)
  const breaking =
    before === undefined ? [] : compareRecords(before, record).filter(({ level }) => level === 'breaking')
  if (breaking.length > 0) {
    if (!context.json) context.terminal.note(breaking.map((finding) => findingLines(context, finding)).join(''))
    await confirm(context, `record ${count(breaking.length, 'change')} that events in stores may not survive?`)
  }
  writeRecord(file, record)
  const types = Object.keys(record).length
  await print(context, { file, types }, () => printable(`recorded ${count(types, 'type')} in ${file}`).concat('\n'))
}

async function checkSchemas(
  modules: readonly string[],
  { file, samples, store = process.env.HODISA_STORE, schema }: SchemaOptions,
  context: Context,
): Promise<void> {
  const { definitions, record } = await loaded(modules)
  const before = readRecord(file)
  if (before === undefined) throw new CommandError('no-record', `there is no record at ${file}`)
  const found = compareRecords(before, record)
  for (const finding of found) await print(context, finding, () => findingLines(context, finding))
  const sampled =
    store === undefined || store === ''
      ? []
      : await samplesOf({ store, schema }, definitions, modules, samples, context)
  for (const one of sampled) await print(context, { sampled: one }, () => sampleLines(context, one))
  const breaking = found.filter(({ level }) => level === 'breaking').length
  const failing = sampled.filter(({ problems }) => problems.length > 0).length
  if (breaking + failing === 0) return
  const faults = [
    ...(breaking > 0 ? [`${count(breaking, 'type')} changed so that recorded events cannot be read`] : []),
    ...(failing > 0 ? [`${count(failing, 'version')} of types in the store cannot be brought to the current one`] : []),
  ]
  throw new CommandError('schema-breaking', faults.join('; '))
}

async function loaded(
  modules: readonly string[],
): Promise<{ definitions: readonly AnyEventDefinition[]; record: SchemaRecord }> {
  const definitions = await definitionsIn(modules)
  return { definitions, record: await recordOf(definitions, firstOf(modules)) }
}

function samplesOf(
  place: Pick<OpenOptions, 'store' | 'schema'>,
  definitions: readonly AnyEventDefinition[],
  modules: readonly string[],
  most: number,
  context: Context,
): Promise<readonly Sampling[]> {
  const { terminal } = context
  return withApp(place, terminal, (raw) =>
    withApp({ ...place, events: definitions }, terminal, (app) =>
      sample({ raw, app }, context, { definitions, module: firstOf(modules), most }),
    ),
  )
}

/** Libraries are looked for from there. */
function firstOf([first = '.']: readonly string[]): string {
  return first
}

const STYLES: Readonly<Record<Level, Style>> = { same: 'dim', compatible: 'green', unknown: 'yellow', breaking: 'red' }

function findingLines({ terminal }: Context, { type, level, from, to, message, changes }: Finding): string {
  const versions = from === undefined || to === undefined || from === to ? `${to ?? from}` : `${from} → ${to}`
  const head = `${terminal.style(STYLES[level], level.padEnd(10))} ${printable(type)} version ${versions}: ${printable(message)}\n`
  const lines = changes.map(
    ({ path, change, breaking }) => `  ${breaking ? '✗' : ' '} ${printable(`${path} ${change}`)}\n`,
  )
  return head + lines.join('')
}

function sampleLines({ terminal }: Context, { type, version, events, tried, problems, unchecked }: Sampling): string {
  const level = problems.length > 0 ? 'breaking' : unchecked === undefined ? 'same' : 'unknown'
  const word = { breaking: 'fails', same: 'reads', unknown: 'reads' }[level]
  const not = unchecked === undefined ? '' : `; not validated: ${unchecked}`
  const head = `${terminal.style(STYLES[level], word.padEnd(10))} ${printable(type)} version ${version}: tried ${tried} of ${count(events, 'event')}${not}\n`
  const lines = problems.map(({ id, position, issue }) => `  ✗ position ${position}, ${printable(`${id}: ${issue}`)}\n`)
  return head + lines.join('')
}

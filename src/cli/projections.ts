import { type App, HodisaError, type ProjectionStatus, type RebuildProgress, type ViewDifference } from '../index.ts'
import { assertGoingOn, type Context, confirm, print } from './context.ts'
import { CommandError } from './failure.ts'
import { type Cell, count, printable, table } from './format.ts'
import type { AnyProjection } from './projections-source.ts'

/** How often it is told how far a rebuild is. Ms. */
const TELL_EVERY = 1_000

export interface RebuildArguments {
  readonly diff?: boolean
  readonly fresh?: boolean
}

export async function listProjections(app: App, context: Context): Promise<void> {
  const projections = await app.projections.list()
  if (context.json) {
    for (const projection of projections) await print(context, projection, () => '')
  } else if (projections.length === 0) {
    context.terminal.note('no projection has been recorded in this store\n')
  } else {
    await context.terminal.write(table(context.terminal, HEADER, projections.map(cells)))
    for (const projection of projections) await context.terminal.write(blockedLines(context, projection))
  }
}

/** One after the other; what is done stays done. */
export async function rebuildProjections(
  app: App,
  context: Context,
  projections: readonly AnyProjection[],
  { diff = false, fresh = false }: RebuildArguments,
): Promise<void> {
  for (const projection of projections) {
    const result = await ended(context, () =>
      app.projections.rebuild(projection, {
        ...options(context, projection),
        fresh,
        ...(diff && { onDifference: (difference) => tellDifference(context, projection, difference) }),
      }),
    )
    await print(context, { projection: projection.name, version: projection.version, ...result }, () => {
      const differing = result.differences === undefined ? '' : `, ${count(result.differences, 'document')} changed`
      return `rebuilt ${nameOf(projection)}: ${count(result.events, 'event')}, ${count(result.documents, 'document')}${differing}\n`
    })
  }
}

/** @throws {CommandError} `view-differs` */
export async function verifyProjections(
  app: App,
  context: Context,
  projections: readonly AnyProjection[],
): Promise<void> {
  const differing: string[] = []
  for (const projection of projections) {
    const result = await ended(context, () =>
      app.projections.verify(projection, {
        ...options(context, projection),
        onDifference: (difference) => tellDifference(context, projection, difference),
      }),
    )
    if (result.differences > 0) differing.push(`${nameOf(projection)} in ${count(result.differences, 'document')}`)
    await print(context, { projection: projection.name, version: projection.version, ...result }, () => {
      const what =
        result.differences === 0 ? 'is what the log makes' : `${count(result.differences, 'document')} differ`
      return `${nameOf(projection)}: ${what} (${count(result.events, 'event')}, ${count(result.documents, 'document')})\n`
    })
  }
  if (differing.length > 0)
    throw new CommandError('view-differs', `other than what the log makes: ${differing.join('; ')}`)
}

export async function dropProjection(app: App, context: Context, text: string): Promise<void> {
  const [, name = '', version = ''] = /^(.+)@(\d+)$/.exec(text) ?? []
  if (name === '') throw new CommandError('usage', `${text} names no version of a projection, e.g. order-summary@1`)
  const known = (await app.projections.list()).some((one) => one.projection === name && one.version === Number(version))
  if (!known) {
    throw new HodisaError('projection-unknown', `the store knows no projection ${text}`, { projection: text })
  }
  await confirm(context, `Drop ${text}: its documents and its progress?`)
  await app.projections.drop(name, Number(version))
  await print(context, { projection: name, version: Number(version), action: 'dropped' }, () => `dropped ${text}\n`)
}

function options({ terminal, json }: Context, projection: AnyProjection) {
  let told = 0
  const onProgress = (progress: RebuildProgress) => {
    if (json || Date.now() - told < TELL_EVERY) return
    if (told > 0) terminal.note(`${nameOf(projection)}: ${progressText(progress)}\n`)
    told = Date.now()
  }
  return { signal: terminal.ended, onProgress }
}

async function ended<Result>({ terminal }: Context, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (terminal.ended.aborted) assertGoingOn(terminal, 'it was not ended; the next run goes on from there')
    throw error
  }
}

function progressText({ position, head, rate, remaining }: RebuildProgress): string {
  const share = head === 0 ? 100 : Math.floor((position * 100) / head)
  const left = remaining === undefined ? '' : `, ${Math.ceil(remaining / 1_000)} s left`
  return `position ${position} of ${head} (${share} %), ${rate} events/s${left}`
}

async function tellDifference(context: Context, projection: AnyProjection, difference: ViewDifference): Promise<void> {
  await print(context, { projection: projection.name, difference }, () => {
    const { id, before, after } = difference
    const { terminal } = context
    const line = (sign: string, style: 'red' | 'green', document: object | undefined) =>
      document === undefined ? '' : `${terminal.style(style, `${sign} ${printable(JSON.stringify(document))}`)}\n`
    return `${printable(id)}\n${line('-', 'red', before)}${line('+', 'green', after)}`
  })
}

function nameOf({ name, version }: AnyProjection): string {
  return `${name}@${version}`
}

const HEADER: readonly Cell[] = [
  { text: 'PROJECTION' },
  { text: 'MODE' },
  { text: 'STATE' },
  { text: 'POSITION', right: true },
  { text: 'LAG', right: true },
  { text: 'DOCUMENTS', right: true },
  { text: 'REBUILD' },
]

const STATES = {
  running: 'green',
  inline: 'green',
  building: 'yellow',
  retrying: 'yellow',
  paused: 'yellow',
  blocked: 'red',
  down: 'red',
} as const

function cells({ projection, version, mode, state, position, lag, documents, rebuild }: ProjectionStatus): Cell[] {
  return [
    { text: `${projection}@${version}` },
    { text: mode },
    { text: state, style: STATES[state] },
    { text: String(position), right: true },
    { text: String(lag), right: true, ...(lag > 0 && { style: 'yellow' as const }) },
    { text: String(documents), right: true },
    { text: rebuild === undefined ? '' : `at position ${rebuild.position}` },
  ]
}

function blockedLines({ terminal }: Context, { projection, version, blocked }: ProjectionStatus): string {
  if (blocked === undefined) return ''
  const { event, error, attempts } = blocked
  const what = `${projection}@${version}: ${event.type} ${event.id} at position ${event.position} fails`
  return `${terminal.style('red', printable(what))} (${count(attempts, 'attempt')}): ${printable(error.message)}\n`
}

import type { App, ReadOptions, RecordedEvent, TailOptions } from '../index.ts'
import { type Context, isOver, print } from './context.ts'
import { CommandError } from './failure.ts'
import { type Cell, localTime, printable, Table } from './format.ts'

export interface TailArguments extends Omit<TailOptions, 'signal'> {
  /** Only what this program published. */
  readonly source?: string
  readonly limit?: number
}

/** Shows events as they come, until Ctrl-C. */
export async function tail(app: App, context: Context, { source, limit, ...options }: TailArguments): Promise<void> {
  let left = limit ?? Number.POSITIVE_INFINITY
  if (left === 0) return
  const show = lines(context)
  for await (const event of app.tail({ ...options, signal: context.terminal.ended })) {
    if (source !== undefined && event.metadata.source !== source) continue
    await show(event)
    if (--left <= 0) return
  }
}

export async function listEvents(app: App, context: Context, options: ReadOptions): Promise<void> {
  const show = lines(context)
  for await (const event of app.read(options)) {
    await show(event)
    if (isOver(context)) return
  }
}

export async function getEvent(app: App, context: Context, id: string): Promise<void> {
  // The id of a part that was split off ends with its number.
  const recorded = (await context.raw?.get(id)) ?? (await context.raw?.get(id.replace(/#\d+$/, '')))
  const event = (await app.get(id)) ?? (recorded?.id === id ? recorded : undefined) // which upcasters may have dropped
  if (event === undefined) throw new CommandError('not-found', `no event has the id ${JSON.stringify(id)}`)
  await print(context, event, () => whole(context, event, recorded))
}

/** An event in full, for a person; and how it was recorded, where that is not the same. */
export function whole({ terminal }: Context, event: RecordedEvent, recorded = event): string {
  const { correlationId, causationId, source, ...metadata } = event.metadata
  const fields: [string, string | undefined][] = [
    ['event', `${event.type} (version ${event.version})`],
    ['recorded', isSame(event, recorded) ? undefined : `${recorded.type} (version ${recorded.version})`],
    ['id', event.id],
    ['position', String(event.position)],
    ['time', localTime(event.timestamp)],
    ['stream', event.stream === undefined ? undefined : placeInStream(event)],
    ['source', source],
    ['correlation', correlationId],
    ['cause', causationId],
    ['metadata', Object.keys(metadata).length === 0 ? undefined : JSON.stringify(metadata)],
  ]
  const shown = fields.flatMap(([name, value]) =>
    value === undefined ? [] : [`${terminal.style('dim', name.padEnd(12))} ${printable(value)}\n`],
  )
  return `${shown.join('')}${printable(JSON.stringify(event.data, undefined, 2), '\n')}\n`
}

function isSame(one: RecordedEvent, other: RecordedEvent): boolean {
  return one.type === other.type && one.version === other.version && one.id === other.id
}

function lines(context: Context): (event: RecordedEvent) => Promise<void> {
  const columns = new Table(context.terminal, [6, 23, 20, 20, 30])
  return (event) => print(context, event, () => columns.row(cells(event)))
}

function cells(event: RecordedEvent): Cell[] {
  return [
    { text: String(event.position), style: 'dim', right: true },
    { text: localTime(event.timestamp) },
    { text: event.type, style: 'cyan' },
    { text: event.stream === undefined ? '-' : placeInStream(event) },
    { text: event.id },
    { text: JSON.stringify(event.data), style: 'dim' },
  ]
}

function placeInStream({ stream, revision }: RecordedEvent): string {
  return `${stream} @${revision}`
}

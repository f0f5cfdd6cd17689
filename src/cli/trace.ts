import type { App, RecordedEvent } from '../index.ts'
import { type Context, isOver, print } from './context.ts'
import { CommandError } from './failure.ts'
import { type Cell, count, elapsed, localTime, printable, Table } from './format.ts'

export interface TraceArguments {
  /** Of all that one trigger set off; the id of any event of it will do. */
  readonly id: string
  readonly limit: number
}

/** Shows everything one trigger set off as a tree of causes. */
export async function trace(app: App, context: Context, { id, limit }: TraceArguments): Promise<void> {
  const found = await eventsOf(app, id, limit + 1)
  const [first, ...rest] = found.slice(0, limit)
  if (first === undefined)
    throw new CommandError('not-found', `no event has the correlation or event id ${JSON.stringify(id)}`)
  const tree = treeOf([first, ...rest])
  const startedAt = Date.parse(first.timestamp)
  const rows = tree.map((node) => ({ ...node, cells: cells(node, startedAt) }))
  const columns = new Table(context.terminal).fit(rows.map((row) => row.cells))
  if (!context.json) {
    const { correlationId } = first.metadata
    await context.terminal.write(
      `${printable(correlationId)}, ${count(tree.length, 'event')} from ${localTime(first.timestamp)}\n`,
    )
  }
  for (const row of rows) {
    await print(context, { ...row.event, depth: row.depth }, () => columns.row(row.cells))
    if (isOver(context)) return
  }
  if (found.length > limit) context.terminal.note(`only the first ${count(limit, 'event')} are shown: see --limit\n`)
}

async function eventsOf(app: App, id: string, limit: number): Promise<RecordedEvent[]> {
  const events = await gather(app.read({ correlationId: id, limit }))
  if (events.length > 0) return events
  const event = await app.get(id)
  return event === undefined ? [] : gather(app.read({ correlationId: event.metadata.correlationId, limit }))
}

async function gather(events: AsyncIterable<RecordedEvent>): Promise<RecordedEvent[]> {
  const gathered: RecordedEvent[] = []
  for await (const event of events) gathered.push(event)
  return gathered
}

export interface TreeNode {
  readonly event: RecordedEvent
  readonly depth: number
  /** What stands before the type: the lines of the tree. */
  readonly lead: string
}

/** Causes before what they caused, in the order of the log. Events whose cause is not among them are roots. */
export function treeOf(events: readonly RecordedEvent[]): TreeNode[] {
  const ids = new Set(events.map(({ id }) => id))
  const caused = Map.groupBy(events, ({ id, metadata: { causationId } }) =>
    causationId !== undefined && causationId !== id && ids.has(causationId) ? causationId : undefined,
  )
  const nodes: TreeNode[] = []
  const seen = new Set<string>()
  // Not by recursion: a chain may be deeper than the stack. The events come last, for causes that run in a circle.
  const open = [...(caused.get(undefined) ?? []), ...events]
    .map((event) => ({ event, depth: 0, before: '', last: true }))
    .reverse()
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { event, depth, before, last } = next
    if (seen.has(event.id)) continue
    seen.add(event.id)
    nodes.push({ event, depth, lead: depth === 0 ? '' : `${before}${last ? '└─ ' : '├─ '}` })
    const children = (caused.get(event.id) ?? []).filter(({ id }) => !seen.has(id))
    const under = depth === 0 ? '' : `${before}${last ? '   ' : '│  '}`
    for (const [index, child] of [...children.entries()].reverse()) {
      open.push({ event: child, depth: depth + 1, before: under, last: index === children.length - 1 })
    }
  }
  return nodes
}

function cells({ event, lead, depth }: TreeNode, startedAt: number): Cell[] {
  const { source, causationId } = event.metadata
  const foreign = depth === 0 && causationId !== undefined ? `caused by ${causationId}` : ''
  return [
    { text: `${lead}${event.type}`, style: 'cyan' },
    { text: event.id },
    { text: source },
    { text: elapsed(Date.parse(event.timestamp) - startedAt), right: true },
    { text: foreign, style: 'dim' },
  ]
}

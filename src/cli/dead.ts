import { type App, type DeadLetter, type DeadLetterFilter, HodisaError } from '../index.ts'
import { assertGoingOn, type Context, confirm, isOver, print } from './context.ts'
import { edited } from './editor.ts'
import { whole } from './events.ts'
import { CommandError, report } from './failure.ts'
import { type Cell, count, localTime, printable, Table, table } from './format.ts'
import type { JsonObject } from './values.ts'

export type ListArguments = Omit<DeadLetterFilter, 'after'>

export async function listDead(app: App, context: Context, filter: ListArguments): Promise<void> {
  const columns = new Table(context.terminal)
  let shown = 0
  for await (const page of pages(app, filter)) {
    const rows = page.map(cells)
    columns.fit(shown === 0 ? [HEADER, ...rows] : rows)
    if (shown === 0 && !context.json) await context.terminal.write(columns.row(HEADER))
    for (const [index, letter] of page.entries()) {
      await print(context, letter, () => columns.row(rows[index] ?? []))
      if (isOver(context)) return
    }
    shown += page.length
  }
  if (shown === 0 && !context.json) context.terminal.note('no dead letters\n')
}

export async function showDead(app: App, context: Context, id: string): Promise<void> {
  const letter = await app.deadLetters.get(id)
  await print(context, letter, () => wholeLetter(context, letter))
}

export type Action = 'redrive' | 'skip' | 'drop'

export interface ActionArguments {
  readonly ids: readonly string[]
  /** Instead of ids: all that match. */
  readonly filter?: Omit<DeadLetterFilter, 'after' | 'limit'>
  /** In place of the event's own, for one redriven letter. */
  readonly data?: JsonObject
}

const ASK = {
  redrive: (letters: string) => `Redrive ${letters}?`,
  skip: (letters: string) => `Skip ${letters}? Their services never handle these events.`,
  drop: (letters: string) =>
    `Drop ${letters}? Their services never handle these events, and the record of it goes too.`,
} as const

const DONE = { redrive: 'redriven', skip: 'skipped', drop: 'dropped' } as const

/** Does the same to each letter. What fails is reported, and the rest goes on. */
export async function actOnDead(
  app: App,
  context: Context,
  action: Action,
  { ids, filter, data }: ActionArguments,
): Promise<void> {
  const letters = filter === undefined ? [...new Set(ids)] : await chosen(app, context, filter)
  const [only] = letters
  if (only === undefined) {
    context.terminal.note('no dead letters match\n')
    return
  }
  if (action !== 'redrive' || letters.length > 1 || filter !== undefined) {
    const what = letters.length === 1 ? `dead letter ${only}` : count(letters.length, 'dead letter')
    await confirm(context, ASK[action](what))
  }
  let failed = 0
  for (const [index, id] of letters.entries()) {
    assertGoingOn(context.terminal, `${index} of ${letters.length} were ${DONE[action]}`)
    try {
      if (action === 'redrive') await app.deadLetters.redrive(id, data === undefined ? {} : { data })
      else await app.deadLetters[action](id)
    } catch (error) {
      if (letters.length === 1 || !(error instanceof HodisaError)) throw error
      report(error, context.terminal, context.json)
      failed++
      continue
    }
    await print(context, { id, action: DONE[action] }, () => `${DONE[action]} ${printable(id)}\n`)
  }
  if (failed > 0) throw new CommandError('incomplete', `${failed} of ${letters.length} could not be ${DONE[action]}`)
}

/** Redrives one letter with edited data: that given, or what the person makes of it in an editor. */
export async function editDead(app: App, context: Context, id: string, data: JsonObject | undefined): Promise<void> {
  const letter = await app.deadLetters.get(id)
  if (letter.state === 'skipped') {
    throw new HodisaError('dead-letter-unknown', `dead letter ${id} was skipped: its key has gone on`, { id })
  }
  await app.deadLetters.redrive(id, { data: data ?? (await edited(context, letter.event.data)) })
  await print(context, { id, action: DONE.redrive }, () => `${DONE.redrive} ${printable(id)} with the edited data\n`)
}

/** The ids of all that match, in the order of the log. Shows how many there are of what. */
async function chosen(app: App, context: Context, filter: ListArguments): Promise<string[]> {
  const found: { id: string; position: number }[] = []
  const counts = new Map<string, { service: string; type: string; count: number }>()
  for await (const page of pages(app, filter)) {
    for (const { id, service, event } of page) {
      found.push({ id, position: event.position })
      const name = JSON.stringify([service, event.type])
      counts.set(name, { service, type: event.type, count: (counts.get(name)?.count ?? 0) + 1 })
    }
  }
  if (!context.json && found.length > 0) context.terminal.note(preview(context, [...counts.values()]))
  return found.sort((one, other) => one.position - other.position).map(({ id }) => id)
}

function preview({ terminal }: Context, counts: readonly { service: string; type: string; count: number }[]): string {
  const rows = counts.map(({ service, type, count }) => [
    { text: service },
    { text: type },
    { text: String(count), right: true },
  ])
  const header = [{ text: 'SERVICE' }, { text: 'TYPE' }, { text: 'LETTERS', right: true }]
  return table({ ...terminal, style: terminal.styleNote }, header, rows)
}

const PAGE = 100

async function* pages(app: App, { limit, ...filter }: ListArguments): AsyncGenerator<readonly DeadLetter[]> {
  let left = limit ?? Number.POSITIVE_INFINITY
  let after: string | undefined
  while (left > 0) {
    const size = Math.min(PAGE, left)
    const page = await app.deadLetters.list({ ...filter, limit: size, ...(after !== undefined && { after }) })
    if (page.length > 0) yield page
    if (page.length < size) return
    left -= page.length
    after = page.at(-1)?.id
  }
}

const HEADER: readonly Cell[] = [
  { text: 'ID', style: 'dim' },
  { text: 'SERVICE', style: 'dim' },
  { text: 'TYPE', style: 'dim' },
  { text: 'KEY', style: 'dim' },
  { text: 'STATE', style: 'dim' },
  { text: 'ATTEMPTS', style: 'dim', right: true },
  { text: 'PARKED', style: 'dim' },
  { text: 'ERROR', style: 'dim' },
]

const STATES = { parked: 'red', redriving: 'yellow', skipped: 'dim' } as const

function cells(letter: DeadLetter): Cell[] {
  return [
    { text: letter.id },
    { text: letter.service },
    { text: letter.event.type, style: 'cyan' },
    { text: letter.key },
    { text: letter.state, style: STATES[letter.state] },
    { text: String(letter.attempts), right: true },
    { text: localTime(letter.parkedAt) },
    { text: `${letter.error.name}: ${letter.error.message}` },
  ]
}

function wholeLetter(context: Context, letter: DeadLetter): string {
  const { error } = letter
  const fields = [
    ['dead letter', letter.id],
    ['service', letter.service],
    ['state', letter.edited ? `${letter.state}, with edited data` : letter.state],
    ['key', letter.key],
    ['attempts', String(letter.attempts)],
    ['first failed', localTime(letter.firstFailedAt)],
    ['parked', localTime(letter.parkedAt)],
    ['error', `${error.name}: ${error.message}`],
  ] as const
  const { style } = context.terminal
  const shown = fields.map(([name, value]) => `${style('dim', name.padEnd(12))} ${printable(value)}\n`).join('')
  const stack = error.stack === undefined ? '' : `${style('dim', printable(error.stack, '\n'))}\n`
  return `${shown}${stack}\n${whole(context, letter.event)}`
}

/** @throws {CommandError} `usage` unless there are ids or a filter, and not both. */
export function assertChoice(ids: readonly string[], filtered: boolean, edited: boolean): void {
  const refuse = (message: string) => {
    throw new CommandError('usage', message)
  }
  if (ids.length > 0 && filtered) refuse('give ids or a filter, not both')
  if (ids.length === 0 && !filtered)
    refuse('give the ids of dead letters, or --all, --service, --key, --type or --until')
  if (edited && ids.length !== 1) refuse('--data is for one dead letter: give its id')
}

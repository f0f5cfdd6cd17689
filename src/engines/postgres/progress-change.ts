import { HodisaError } from '../../errors.ts'
import type { Cursor, Progress, StoredDeadLetter } from '../../store/groups.ts'

interface Options {
  readonly durable: boolean
  /** The lowest position that may stand below the last mark, null where none does; absent where that is not known. */
  readonly low?: number | null
}

/** What `hodisa.progress` takes. */
export function changeOf(change: Progress, { durable, low }: Options): string {
  const { service, instance, groupRevision, mark, done = [], once, started = [], survived = [] } = change
  if (mark !== undefined && groupRevision === undefined) {
    throw new HodisaError('invalid-option', 'a mark needs the `groupRevision` it was made at', { option: 'mark' })
  }
  // The server compares them with what it finds, in this order.
  const held = new Map(change.fences.map((fence) => [`${fence.bucket} ${fence.epoch}`, fence]))
  const fences = [...held.values()].sort((a, b) => a.bucket - b.bucket)
  const [letters, noLetters] = split(change.deadLetters ?? [], ({ id }) => id)
  const [cursors, noCursors] = split(change.cursors ?? [], ({ key }) => key)
  return JSON.stringify({
    service,
    instance,
    durable,
    revision: groupRevision,
    mark,
    low,
    once: once === true ? true : undefined,
    fences: some(fences) && {
      buckets: numbers(fences.map(({ bucket }) => bucket)),
      epochs: numbers(fences.map(({ epoch }) => epoch)),
    },
    done: some(done) && {
      buckets: numbers(done.map(({ bucket }) => bucket)),
      positions: numbers(done.map(({ position }) => position)),
    },
    started: some([
      ...new Map(started.map(({ position, bucket, alone }) => [position, [position, bucket, alone]])).values(),
    ]),
    survived: some(survived) && numbers(survived),
    letters: some(letters.map(letterRow)),
    noLetters: some(noLetters),
    cursors: some(cursors.map(cursorRow)),
    noCursors: some(noCursors),
  })
}

/** Errors and what was edited are JSON text that may hold what the server's JSON does not take, such as U+0000: they stay text. */
export function letterRow(letter: StoredDeadLetter): readonly unknown[] {
  const { id, service, key, bucket, position, eventId, type, state, attempts, error } = letter
  const { firstFailedAt, parkedAt, edited } = letter
  return [
    ...[id, service, key, bucket, position, eventId, type, state, attempts],
    ...[JSON.stringify(error), firstFailedAt, parkedAt, edited],
  ]
}

function cursorRow(cursor: Cursor): readonly unknown[] {
  const { key, bucket, position, state, attempts, firstFailedAt, nextAttemptAt, error, deadLetter, finished } = cursor
  return [
    ...[key, bucket, position, state, attempts, firstFailedAt, nextAttemptAt],
    ...[text(error), deadLetter, text(finished)],
  ]
}

/** The last change of each row: what to put, and what to remove. */
function split<Row>(
  changes: readonly ({ readonly put: Row } | { readonly remove: string })[],
  nameOf: (row: Row) => string,
): readonly [put: readonly Row[], remove: readonly string[]] {
  const last = new Map<string, Row | undefined>()
  for (const change of changes) {
    if ('put' in change) last.set(nameOf(change.put), change.put)
    else last.set(change.remove, undefined)
  }
  const put = [...last.values()].filter((row) => row !== undefined)
  return [put, [...last].flatMap(([name, row]) => (row === undefined ? [name] : []))]
}

/** Undefined, which JSON leaves out, where there is nothing. */
function some<Value>(values: readonly Value[]): readonly Value[] | undefined {
  return values.length === 0 ? undefined : values
}

/** An array as the server writes it. */
function numbers(values: readonly number[]): string {
  return `{${values.join(',')}}`
}

export function text(value: object | null): string | null {
  return value === null ? null : JSON.stringify(value)
}

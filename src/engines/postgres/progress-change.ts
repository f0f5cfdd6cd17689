import { HodisaError } from '../../errors.ts'
import type { Cursor, Progress, StoredDeadLetter } from '../../store/groups.ts'

/** Its name, and what it holds. */
type Row = readonly [name: string, ...unknown[]]

interface Options {
  readonly durable: boolean
  /** The lowest position that may stand below the last mark, null where none does; absent where that is not known. */
  readonly low?: number | null
  /** The newest tick that is known; where it is not there, nothing may be written. */
  readonly seen?: readonly [id: number, mark: string] | undefined
}

/** What `hodisa.progress` takes. */
export function changeOf(change: Progress, { durable, low, seen }: Options): string {
  const { service, instance, groupRevision, mark, done = [], once, started = [], survived = [] } = change
  if (mark !== undefined && groupRevision === undefined) {
    throw new HodisaError('invalid-option', 'a mark needs the `groupRevision` it was made at', { option: 'mark' })
  }
  // The server compares them with what it finds, in this order.
  const held = new Map(change.fences.map((fence) => [`${fence.bucket} ${fence.epoch}`, fence]))
  const fences = [...held.values()].sort((a, b) => a.bucket - b.bucket)
  const begun = new Map(started.map(({ position, bucket, alone }) => [position, [position, bucket, alone]]))
  return JSON.stringify({
    service,
    instance,
    durable,
    revision: groupRevision,
    mark,
    low,
    seen,
    once: once === true ? true : undefined,
    fences: some(fences) && {
      buckets: numbers(fences.map(({ bucket }) => bucket)),
      epochs: numbers(fences.map(({ epoch }) => epoch)),
    },
    done: some(done) && {
      buckets: numbers(done.map(({ bucket }) => bucket)),
      positions: numbers(done.map(({ position }) => position)),
    },
    started: some([...begun.values()]),
    survived: some(survived) && numbers(survived),
    letters: some(lastOf(change.deadLetters ?? [], letterRow)),
    cursors: some(lastOf(change.cursors ?? [], cursorRow)),
  })
}

/** What `hodisa.check_effect` takes, and `hodisa.finish_effect` besides the durability, for a change that is no more than one event finished by its owner. */
export function effectOf(change: Progress): readonly (string | number)[] | undefined {
  const {
    service,
    instance,
    fences,
    done = [],
    once,
    groupRevision,
    mark,
    started,
    survived,
    cursors,
    deadLetters,
  } = change
  const [fence, finished] = [fences[0], done[0]]
  if (fence === undefined || fences.length > 1 || finished === undefined || done.length > 1) return undefined
  if (finished.bucket !== fence.bucket || once !== true) return undefined
  if ([groupRevision, mark, started, survived, cursors, deadLetters].some((more) => more !== undefined))
    return undefined
  return [service, instance, fence.bucket, fence.epoch, finished.position]
}

/** Errors and what was edited are JSON text that may hold what the server's JSON does not take, such as U+0000: they stay text. */
export function letterRow(letter: StoredDeadLetter): Row {
  const { id, service, key, bucket, position, eventId, type, state, attempts, error } = letter
  const { firstFailedAt, parkedAt, edited } = letter
  return [
    id,
    ...[service, key, bucket, position, eventId, type, state, attempts],
    ...[JSON.stringify(error), firstFailedAt, parkedAt, edited],
  ]
}

function cursorRow(cursor: Cursor): Row {
  const { key, bucket, position, state, attempts, firstFailedAt, nextAttemptAt, error, deadLetter, finished } = cursor
  return [
    key,
    ...[bucket, position, state, attempts, firstFailedAt, nextAttemptAt],
    ...[text(error), deadLetter, text(finished)],
  ]
}

/** The last change of each row; one that is removed is nothing but its name. */
function lastOf<Kept>(
  changes: readonly ({ readonly put: Kept } | { readonly remove: string })[],
  rowOf: (kept: Kept) => Row,
): Row[] {
  const rows = changes.map((change): Row => ('put' in change ? rowOf(change.put) : [change.remove]))
  return [...new Map(rows.map((row) => [row[0], row])).values()]
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

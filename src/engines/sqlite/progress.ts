import type { Statement } from 'better-sqlite3'
import { HodisaError } from '../../errors.ts'
import type { Cursor, CursorChange, DeadLetterChange, Progress, StoredDeadLetter } from '../../store/groups.ts'
import type { Connection } from './connection.ts'

/** The fenced writes of a service's instances, inside a transaction that somebody else began. */
export class ProgressWriter {
  readonly #revision: Statement<[string], number>
  readonly #lease: Statement<[string, number], [string | null, number]>
  readonly #isDone: Statement<[string, number], number>
  readonly #addDone: Statement<[string, number, number]>
  readonly #raiseMark: Statement<[string, string, number]>
  readonly #sweepDone: Statement<[string, number, string]>
  readonly #addStarted: Statement<[string, number, number, string, number]>
  readonly #removeStarted: Statement<[string, number]>
  readonly #sweepStarted: Statement<[string, number, string]>
  readonly #putCursor: Statement<[string, ...unknown[]]>
  readonly #removeCursor: Statement<[string, string]>
  readonly #putLetter: Statement<unknown[]>
  readonly #removeLetter: Statement<[string, string]>

  constructor(connection: Connection) {
    this.#revision = connection
      .prepare<[string], number>('select revision from hodisa_groups where service = ?')
      .pluck()
    this.#lease = connection
      .prepare<[string, number]>('select owner, epoch from hodisa_leases where service = ? and bucket = ?')
      .raw() as Statement<[string, number], [string | null, number]>
    this.#isDone = connection
      .prepare<[string, number], number>('select 1 from hodisa_done where service = ? and position = ?')
      .pluck()
    this.#addDone = connection.prepare(
      'insert into hodisa_done (service, position, bucket) values (?, ?, ?) on conflict do nothing',
    )
    this.#raiseMark = connection.prepare(
      `insert into hodisa_marks (service, instance, mark) values (?, ?, ?)
       on conflict do update set mark = max(mark, excluded.mark)`,
    )
    this.#sweepDone = connection.prepare(
      `delete from hodisa_done where service = ? and position <= ? and exists (
         select 1 from hodisa_leases as lease
         where lease.service = hodisa_done.service and lease.bucket = hodisa_done.bucket and lease.owner = ?)`,
    )
    this.#addStarted = connection.prepare(
      `insert into hodisa_started (service, position, bucket, instance, alone) values (?, ?, ?, ?, ?)
       on conflict do update set instance = excluded.instance, alone = excluded.alone`,
    )
    this.#removeStarted = connection.prepare('delete from hodisa_started where service = ? and position = ?')
    this.#sweepStarted = connection.prepare(
      `delete from hodisa_started where service = ? and position <= ? and exists (
         select 1 from hodisa_leases as lease
         where lease.service = hodisa_started.service and lease.bucket = hodisa_started.bucket and lease.owner = ?)`,
    )
    this.#putCursor = connection.prepare(
      `insert into hodisa_cursors (service, "key", bucket, position, state, attempts, first_failed_at, next_attempt_at,
         error, dead_letter, finished)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       on conflict do update set bucket = excluded.bucket, position = excluded.position, state = excluded.state,
         attempts = excluded.attempts, first_failed_at = excluded.first_failed_at,
         next_attempt_at = excluded.next_attempt_at, error = excluded.error, dead_letter = excluded.dead_letter,
         finished = excluded.finished`,
    )
    this.#removeCursor = connection.prepare('delete from hodisa_cursors where service = ? and "key" = ?')
    this.#putLetter = connection.prepare(PUT_LETTER)
    this.#removeLetter = connection.prepare('delete from hodisa_dead_letters where service = ? and id = ?')
  }

  /** Whether `change` may be written; writes nothing. @throws {HodisaError} `lease-lost` */
  check(change: Progress): void {
    const { service, instance, fences, groupRevision, mark, done, once } = change
    if (mark !== undefined && groupRevision === undefined) {
      throw new HodisaError('invalid-option', 'a mark needs the `groupRevision` it was made at', { option: 'mark' })
    }
    if (groupRevision !== undefined && (this.#revision.get(service) ?? 0) !== groupRevision) {
      throw new HodisaError('lease-lost', `service ${service} is no longer at revision ${groupRevision}`, {
        service,
        group: true,
      })
    }
    for (const { bucket, epoch } of fences) {
      const lease = this.#lease.get(service, bucket)
      if (lease !== undefined && lease[0] === instance && lease[1] === epoch) continue
      throw new HodisaError('lease-lost', `instance ${instance} of ${service} no longer owns bucket ${bucket}`, {
        service,
        instance,
        bucket,
        epoch,
      })
    }
    if (once !== true || done === undefined) return
    for (const { bucket, position } of done) {
      if (this.#isDone.get(service, position) === undefined) continue
      throw new HodisaError('lease-lost', `service ${service} has finished position ${position} already`, {
        service,
        bucket,
        position,
      })
    }
  }

  /** Whether others have to hear of it: cursors are their owner's own business, dead letters are everybody's. */
  write(change: Progress): boolean {
    const { service, instance, mark, done = [], started = [], survived = [], cursors = [], deadLetters = [] } = change
    for (const { bucket, position } of done) {
      this.#addDone.run(service, position, bucket)
      this.#removeStarted.run(service, position)
    }
    for (const { bucket, position, alone } of started) {
      this.#addStarted.run(service, position, bucket, instance, alone ? 1 : 0)
    }
    for (const position of survived) this.#removeStarted.run(service, position)
    for (const cursor of cursors) this.#changeCursor(service, cursor)
    for (const letter of deadLetters) this.#changeLetter(service, letter)
    if (mark !== undefined) {
      this.#raiseMark.run(service, instance, mark)
      this.#sweepDone.run(service, mark, instance)
      this.#sweepStarted.run(service, mark, instance)
    }
    return deadLetters.length > 0
  }

  #changeCursor(service: string, change: CursorChange): void {
    if ('put' in change) this.#putCursor.run(service, ...cursorValues(change.put))
    else this.#removeCursor.run(service, change.remove)
  }

  #changeLetter(service: string, change: DeadLetterChange): void {
    if ('put' in change) this.#putLetter.run(...letterValues(change.put))
    else this.#removeLetter.run(service, change.remove)
  }
}

export const PUT_LETTER = `insert into hodisa_dead_letters (id, service, "key", bucket, position, event_id, type, state, attempts, error,
    first_failed_at, parked_at, edited)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  on conflict do update set service = excluded.service, "key" = excluded."key", bucket = excluded.bucket,
    position = excluded.position, event_id = excluded.event_id, type = excluded.type, state = excluded.state,
    attempts = excluded.attempts, error = excluded.error, first_failed_at = excluded.first_failed_at,
    parked_at = excluded.parked_at, edited = excluded.edited`

export function letterValues(letter: StoredDeadLetter): unknown[] {
  return [
    ...[letter.id, letter.service, letter.key, letter.bucket, letter.position, letter.eventId, letter.type],
    ...[
      letter.state,
      letter.attempts,
      JSON.stringify(letter.error),
      letter.firstFailedAt,
      letter.parkedAt,
      letter.edited,
    ],
  ]
}

function cursorValues(cursor: Cursor): unknown[] {
  const error = cursor.error === null ? null : JSON.stringify(cursor.error)
  const finished = cursor.finished === null ? null : JSON.stringify(cursor.finished)
  return [
    ...[cursor.key, cursor.bucket, cursor.position, cursor.state, cursor.attempts],
    ...[cursor.firstFailedAt, cursor.nextAttemptAt, error, cursor.deadLetter, finished],
  ]
}

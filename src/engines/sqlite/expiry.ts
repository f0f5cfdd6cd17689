import type { Statement } from 'better-sqlite3'
import type { Connection } from './connection.ts'
import type { DocumentWriter } from './document-writer.ts'
import { values } from './statements.ts'

/** Removes expired events and documents, inside a transaction that somebody else began. */
export class Expiry {
  /** What one transaction removes. */
  static readonly atOnce = 2_000
  readonly #find: Statement<[number, number], number>
  readonly #keepChain: Statement<[string]>
  readonly #remove: Statement<[string]>
  readonly #documents: DocumentWriter

  constructor(connection: Connection, documents: DocumentWriter) {
    this.#documents = documents
    this.#find = values(connection, 'select position from hodisa_events where expires_at <= ? limit ?')
    this.#keepChain = connection.prepare(
      `insert into hodisa_stream_gaps (position, previous)
       select position, previous from hodisa_events
       where position in (select value from json_each(?)) and stream is not null`,
    )
    this.#remove = connection.prepare('delete from hodisa_events where position in (select value from json_each(?))')
  }

  /** How many were removed: fewer than {@link Expiry.atOnce} when none is left. */
  remove(now: number): number {
    const events = this.#removeEvents(now)
    return events + this.#documents.expire(now, Expiry.atOnce - events)
  }

  #removeEvents(now: number): number {
    const positions = JSON.stringify(this.#find.all(now, Expiry.atOnce))
    this.#keepChain.run(positions)
    return this.#remove.run(positions).changes
  }
}

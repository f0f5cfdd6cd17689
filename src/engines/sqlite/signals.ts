import type { Statement } from 'better-sqlite3'
import type { Connection } from './connection.ts'

/** Counts what other processes must notice and the log does not show. */
export class Signals {
  readonly #raise: Statement<[], number>

  constructor(connection: Connection) {
    this.#raise = connection
      .prepare<[], number>(`update hodisa_signals set value = value + 1 where name = 'groups' returning value`)
      .pluck()
  }

  raise(): number {
    return this.#raise.get() ?? 0
  }
}

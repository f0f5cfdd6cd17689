import type { Statement } from 'better-sqlite3'
import type { Connection } from './connection.ts'
import { tuples, values } from './statements.ts'
import { MARK_EVERY } from './stream-chain.ts'

interface Place {
  readonly revision: number
  readonly timestamp: number
  readonly position: number
}

/**
 * Makes anew the chain by which events of a stream are found, while they come in the order of the log. An event that has expired
 * before gets a position of its own between its neighbours, which no event has: where exactly it stood makes no difference.
 */
export class TransferChain {
  readonly #head: Statement<[string, string], [revision: number, position: number]>
  readonly #create: Statement<unknown[]>
  readonly #move: Statement<unknown[]>
  readonly #mark: Statement<unknown[]>
  readonly #gap: Statement<unknown[]>
  readonly #taken: Statement<[number, number], number>

  constructor(connection: Connection) {
    this.#head = tuples(connection, 'select revision, position from hodisa_streams where stream = ? and tenant = ?')
    this.#create = connection.prepare(
      'insert into hodisa_streams (revision, timestamp, position, stream, tenant) values (?, ?, ?, ?, ?)',
    )
    this.#move = connection.prepare(
      'update hodisa_streams set revision = ?, timestamp = ?, position = ? where stream = ? and tenant = ?',
    )
    this.#mark = connection.prepare(
      'insert or replace into hodisa_stream_marks (stream, tenant, revision, position) values (?, ?, ?, ?)',
    )
    this.#gap = connection.prepare('insert into hodisa_stream_gaps (position, previous) values (?, ?)')
    this.#taken = values(
      connection,
      `select 1 from hodisa_events where position = ? union all select 1 from hodisa_stream_gaps where position = ?`,
    )
  }

  /** The next event of a stream that is still there; tells the position of the one before it. */
  add(stream: string, tenant: string, place: Place): number | null {
    const previous = this.#upTo(stream, tenant, place.revision - 1)
    if (place.revision % MARK_EVERY === 0) this.#mark.run(stream, tenant, place.revision, place.position)
    this.#write(stream, tenant, place, previous === undefined)
    return previous ?? null
  }

  /** The stream ends here, whether or not its last events are still there. */
  end(stream: string, tenant: string, revision: number, timestamp: number): void {
    const position = this.#upTo(stream, tenant, revision)
    this.#write(stream, tenant, { revision, timestamp, position: position ?? 0 }, position === undefined)
  }

  /** The position of this revision, with all before it that are missing; undefined where none of the stream was ever there. */
  #upTo(stream: string, tenant: string, revision: number): number | undefined {
    const head = this.#head.get(stream, tenant)
    if (head === undefined) return undefined
    let [last, position] = head
    while (last < revision) {
      const free = this.#firstFree(position)
      this.#gap.run(free, position)
      last += 1
      position = free
      if (last % MARK_EVERY === 0) this.#mark.run(stream, tenant, last, position)
    }
    return position
  }

  #write(stream: string, tenant: string, { revision, timestamp, position }: Place, isNew: boolean): void {
    const statement = isNew ? this.#create : this.#move
    statement.run(revision, timestamp, position, stream, tenant)
  }

  #firstFree(after: number): number {
    let position = after + 1
    while (this.#taken.get(position, position) !== undefined) position += 1
    return position
  }
}

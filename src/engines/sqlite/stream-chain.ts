import type { Statement } from 'better-sqlite3'
import type { Connection } from './connection.ts'
import { tuples, values } from './statements.ts'

/** Every so many revisions of a stream the position is written down. */
export const MARK_EVERY = 64

interface Head {
  readonly revision: number
  readonly position: number
}

/**
 * Finds the events of a stream. Each knows the position of the one before it, and every 64th stands in a table: an index of all
 * of them was measured to cost more than the rest of an append, because the events of a batch belong to as many places in it as
 * there are streams.
 */
export class StreamChain {
  readonly #tenants: Statement<[string], string>
  readonly #head: Statement<[string, string], [revision: number, position: number]>
  readonly #mark: Statement<[string, string, number], number>
  readonly #previous: Statement<[number], number | null>
  readonly #gap: Statement<[number], number | null>

  constructor(connection: Connection) {
    this.#tenants = values(connection, 'select tenant from hodisa_streams where stream = ?')
    this.#head = tuples(connection, 'select revision, position from hodisa_streams where stream = ? and tenant = ?')
    this.#mark = values(
      connection,
      'select position from hodisa_stream_marks where stream = ? and tenant = ? and revision = ?',
    )
    this.#previous = values(connection, 'select previous from hodisa_events where position = ?')
    this.#gap = values(connection, 'select previous from hodisa_stream_gaps where position = ?')
  }

  tenants(stream: string): readonly string[] {
    return this.#tenants.all(stream)
  }

  head(stream: string, tenant: string): Head {
    const row = this.#head.get(stream, tenant)
    return row === undefined ? { revision: 0, position: 0 } : { revision: row[0], position: row[1] }
  }

  /** Positions of the revisions `low` to `high`, rising; those of expired events too. */
  positions(stream: string, tenant: string, low: number, high: number): number[] {
    const head = this.head(stream, tenant)
    const last = Math.min(high, head.revision)
    const found: number[] = []
    let { revision, position } = this.#atOrAbove(stream, tenant, head, last)
    for (; revision >= low && revision > 0; revision--) {
      if (revision <= last) found.push(position)
      position = this.#before(position)
    }
    return found.reverse()
  }

  /** The last revision at or below a position; 0 if none. */
  revisionAt(stream: string, tenant: string, position: number): number {
    if (position <= 0) return 0
    const head = this.head(stream, tenant)
    if (head.position <= position) return head.revision
    let low = 0
    let high = Math.floor(head.revision / MARK_EVERY)
    while (low < high) {
      const middle = low + Math.ceil((high - low) / 2)
      if (this.#marked(stream, tenant, middle * MARK_EVERY) <= position) low = middle
      else high = middle - 1
    }
    const floor = low * MARK_EVERY
    let place = this.#atOrAbove(stream, tenant, head, floor + 1)
    while (place.revision > floor && place.position > position) {
      place = { revision: place.revision - 1, position: this.#before(place.position) }
    }
    return place.revision
  }

  #atOrAbove(stream: string, tenant: string, head: Head, revision: number): Head {
    const marked = Math.ceil(revision / MARK_EVERY) * MARK_EVERY
    return marked >= head.revision ? head : { revision: marked, position: this.#marked(stream, tenant, marked) }
  }

  #marked(stream: string, tenant: string, revision: number): number {
    return this.#mark.get(stream, tenant, revision) ?? 0
  }

  #before(position: number): number {
    const previous = this.#previous.get(position)
    return (previous === undefined ? this.#gap.get(position) : previous) ?? 0
  }
}

import type { Statement } from 'better-sqlite3'
import type { LogQuery } from '../../store/port.ts'
import type { Connection } from './connection.ts'
import type { Found } from './log-reader.ts'
import { tuples } from './statements.ts'

/** Of one index and one page. */
const MOST = 2_000

type Search = Statement<unknown[], number>

/** One way into the log: positions that an index gives for a value. */
interface Source {
  readonly forwards: Search
  readonly backwards: Search
}

/**
 * Positions for filters that an index answers. The streams' index is by revision; positions rise with revisions, so a range of
 * the one is found as a range of the other.
 */
export class Candidates {
  readonly #correlation: Source
  readonly #causation: Source
  readonly #key: Source
  readonly #ownCorrelation: Source
  readonly #ownKey: Source
  readonly #stream: Source
  readonly #tenants: Statement<[string], string>
  readonly #lastRevision: Statement<[string, string], number>
  readonly #place: Statement<[string, string, number], [revision: number, position: number]>

  constructor(connection: Connection) {
    const source = (condition: string, column = 'position'): Source => {
      const search = (order: string): Search =>
        connection
          .prepare<unknown[], number>(
            `select position from hodisa_events
             where ${condition} and ${column} > ? and ${column} <= ? order by ${column}${order} limit ?`,
          )
          .pluck()
      return { forwards: search(''), backwards: search(' desc') }
    }
    this.#correlation = source('correlation_id = ?')
    this.#causation = source('causation_id = ?')
    this.#key = source('"key" = ?')
    // Unary plus: through the index of the ids, of which one fits, rather than through the log.
    this.#ownCorrelation = source('id = ? and correlation_id is null', '+position')
    this.#ownKey = source('id = ? and stream is null and "key" is null', '+position')
    this.#stream = source('stream = ? and tenant = ?', 'revision')
    this.#tenants = connection.prepare<[string], string>('select tenant from hodisa_streams where stream = ?').pluck()
    this.#lastRevision = connection
      .prepare<[string, string], number>('select max(revision) from hodisa_events where stream = ? and tenant = ?')
      .pluck()
    this.#place = tuples(
      connection,
      `select revision, position from hodisa_events where stream = ? and tenant = ? and revision >= ?
         order by revision limit 1`,
    )
  }

  /** Undefined where no index helps. */
  find(query: LogQuery, after: number, until: number): Found | undefined {
    const { key, streams, correlationId, causationId } = query
    const most = Math.min(MOST, query.limit + 32)
    const sources: number[][] = []
    const add = ({ forwards, backwards }: Source, values: readonly string[], low: number, high: number): void => {
      sources.push((query.backwards ? backwards : forwards).all(...values, low, high, most))
    }
    for (const stream of key === undefined ? new Set(streams) : [key]) {
      for (const tenant of this.#tenants.all(stream)) {
        const low = this.#revisionAt(stream, tenant, after)
        add(this.#stream, [stream, tenant], low, this.#revisionAt(stream, tenant, until))
      }
    }
    if (key !== undefined) {
      add(this.#key, [key], after, until)
      add(this.#ownKey, [key], after, until)
    } else if (streams === undefined && correlationId !== undefined) {
      add(this.#correlation, [correlationId], after, until)
      add(this.#ownCorrelation, [correlationId], after, until)
    } else if (streams === undefined && causationId !== undefined) add(this.#causation, [causationId], after, until)
    else if (streams === undefined) return undefined
    return merged(sources, most, query.backwards ? -1 : 1)
  }

  /** The last revision of the stream at or below a position; 0 if none. */
  #revisionAt(stream: string, tenant: string, position: number): number {
    if (position === 0) return 0
    let low = 0
    let high = this.#lastRevision.get(stream, tenant) ?? 0
    while (low < high) {
      const middle = low + Math.ceil((high - low) / 2)
      const place = this.#place.get(stream, tenant, middle)
      if (place !== undefined && place[1] <= position) low = Math.max(middle, place[0])
      else high = middle - 1
    }
    return low
  }
}

/** Only up to where every source was looked through. */
function merged(sources: readonly (readonly number[])[], most: number, direction: 1 | -1): Found {
  const ends = sources.filter((positions) => positions.length >= most).map((positions) => positions.at(-1) ?? 0)
  const positions = [...new Set(sources.flat())].sort((left, right) => (left - right) * direction)
  if (ends.length === 0) return { positions, complete: true }
  const end = direction === 1 ? Math.min(...ends) : Math.max(...ends)
  return { positions: positions.filter((position) => (position - end) * direction <= 0), complete: false }
}

import type { Statement } from 'better-sqlite3'
import type { LogQuery } from '../../store/port.ts'
import type { Connection } from './connection.ts'
import type { Found } from './log-reader.ts'
import { values } from './statements.ts'
import type { StreamChain } from './stream-chain.ts'

/** Of one index and one page. */
const MOST = 2_000

type Search = Statement<unknown[], number>

/** One way into the log: positions that an index gives for a value. */
interface Source {
  readonly forwards: Search
  readonly backwards: Search
}

/** Positions for filters that an index, or the chain of a stream, answers. */
export class Candidates {
  readonly #correlation: Source
  readonly #causation: Source
  readonly #key: Source
  readonly #ownCorrelation: Source
  readonly #ownKey: Source
  readonly #chain: StreamChain

  constructor(connection: Connection, chain: StreamChain) {
    this.#chain = chain
    const source = (condition: string, column = 'position'): Source => {
      const search = (order: string): Search =>
        values(
          connection,
          `select position from hodisa_events
           where ${condition} and ${column} > ? and ${column} <= ? order by ${column}${order} limit ?`,
        )
      return { forwards: search(''), backwards: search(' desc') }
    }
    this.#correlation = source('correlation_id = ?')
    this.#causation = source('causation_id = ?')
    this.#key = source('"key" = ?')
    // Unary plus: through the index of the ids, of which one fits, rather than through the log.
    this.#ownCorrelation = source('id = ? and correlation_id is null', '+position')
    this.#ownKey = source('id = ? and stream is null and "key" is null', '+position')
  }

  /** Undefined where no index helps. */
  find(query: LogQuery, after: number, until: number): Found | undefined {
    const { key, streams, correlationId, causationId } = query
    const most = Math.min(MOST, query.limit + 32)
    const sources: number[][] = []
    const add = ({ forwards, backwards }: Source, given: string, low: number, high: number): void => {
      sources.push((query.backwards ? backwards : forwards).all(given, low, high, most))
    }
    for (const stream of key === undefined ? new Set(streams) : [key]) {
      for (const tenant of this.#chain.tenants(stream))
        sources.push(this.#ofStream(query, stream, tenant, after, until, most))
    }
    if (key !== undefined) {
      add(this.#key, key, after, until)
      add(this.#ownKey, key, after, until)
    } else if (streams === undefined && correlationId !== undefined) {
      add(this.#correlation, correlationId, after, until)
      add(this.#ownCorrelation, correlationId, after, until)
    } else if (streams === undefined && causationId !== undefined) add(this.#causation, causationId, after, until)
    else if (streams === undefined) return undefined
    return merged(sources, most, query.backwards ? -1 : 1)
  }

  #ofStream(
    { backwards }: LogQuery,
    stream: string,
    tenant: string,
    after: number,
    until: number,
    most: number,
  ): number[] {
    const low = this.#chain.revisionAt(stream, tenant, after) + 1
    const high = this.#chain.revisionAt(stream, tenant, until)
    return backwards
      ? this.#chain.positions(stream, tenant, Math.max(low, high - most + 1), high).reverse()
      : this.#chain.positions(stream, tenant, low, Math.min(high, low + most - 1))
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

import type { Statement } from 'better-sqlite3'
import { type EventRow, toEvent } from '../../store/event-row.ts'
import type { StoredEvent } from '../../store/events.ts'
import { anyType, matcherOf } from '../../store/log-matcher.ts'
import type { LogPage, LogQuery, StreamQuery } from '../../store/port.ts'
import { Candidates } from './candidates.ts'
import type { Connection } from './connection.ts'
import { type RangeFilter, rangeFilterOf } from './log-filter.ts'
import { EVENT_COLUMNS } from './rows.ts'
import { tuples } from './statements.ts'
import { StreamChain } from './stream-chain.ts'
import type { Decoded } from './token.ts'

/** A page that matches little ends after so many positions, so that a rare filter does not hold the event loop. */
const PAGE_SCAN = 20_000
/** UTF-16 units of data. */
const PAGE_UNITS = 4 * 1024 * 1024
const MOST_CACHED = 64

type RowStatement = Statement<unknown[], EventRow>
type PositionStatement = Statement<number[], number>

/** Reads of the log, each a synchronous step on the reading connection. */
export class LogReader {
  readonly #connection: Connection
  readonly #candidates: Candidates
  readonly #ranges = new Map<string, RowStatement>()
  readonly #head: PositionStatement
  readonly #oldest: PositionStatement
  readonly #first: PositionStatement
  readonly #last: PositionStatement
  readonly #recordedAt: Statement<[number], [position: number, recordedAt: number]>
  readonly #byIds: RowStatement
  readonly #atPositions: RowStatement
  readonly #idAt: Statement<[number], string>
  readonly #places: Statement<[number, number], [bucket: number, type: string, position: number]>
  readonly #chain: StreamChain

  constructor(connection: Connection) {
    this.#connection = connection
    this.#chain = new StreamChain(connection)
    this.#candidates = new Candidates(connection, this.#chain)
    this.#head = this.#position('select max(position) from hodisa_events')
    this.#oldest = this.#position('select min(position) from hodisa_events')
    this.#first = this.#position('select min(position) from hodisa_events where position > ?')
    this.#last = this.#position('select max(position) from hodisa_events where position <= ?')
    this.#recordedAt = tuples(
      connection,
      'select position, recorded_at from hodisa_events where position <= ? order by position desc limit 1',
    )
    this.#byIds = this.#rows('where id in (select value from json_each(?))')
    this.#atPositions = this.#rows('where position in (select value from json_each(?)) order by position')
    this.#places = tuples(
      connection,
      'select bucket, type, position from hodisa_events where position >= ? and position <= ? order by position',
    )
    this.#idAt = connection.prepare<[number], string>('select id from hodisa_events where position = ?').pluck()
  }

  head(): number {
    return this.#head.get() ?? 0
  }

  oldest(): number {
    return this.#oldest.get() ?? 0
  }

  /** A binary search by position: `recorded_at` never falls, so it needs no index of its own. */
  positionAt(time: number): number {
    let low = 0
    let high = this.head()
    let found = 0
    while (low < high) {
      const middle = low + Math.ceil((high - low) / 2)
      const row = this.#recordedAt.get(middle)
      if (row === undefined) low = middle
      else if (row[1] <= time) {
        found = row[0]
        low = middle
      } else high = Math.min(middle, row[0]) - 1
    }
    return found
  }

  byIds(ids: readonly string[]): StoredEvent[] {
    return this.#byIds.all(JSON.stringify(ids)).map(toEvent)
  }

  /** Undefined unless everything is visible that a token names. */
  resolve({ ranges, newest }: Decoded): Place[] | undefined {
    if (Math.max(0, ...ranges.map(([, to]) => to)) > this.head()) return undefined
    // Rolled back, and the position given to another event since.
    if (newest !== undefined && (this.#idAt.get(newest.position) ?? newest.id) !== newest.id) return undefined
    return ranges.flatMap(([from, to]) =>
      this.#places.all(from, to).map(([bucket, type, position]) => ({ bucket, type, position })),
    )
  }

  streamRevision(stream: string): number {
    return this.#chain.head(stream, this.#tenantOf(stream)).revision
  }

  readStream(query: StreamQuery): StoredEvent[] {
    const { stream, to = Number.MAX_SAFE_INTEGER, recordedUntil, limit, backwards = false } = query
    let low = Math.max(1, query.from ?? 1)
    const tenant = this.#tenantOf(stream)
    let high = Math.min(to, this.#chain.head(stream, tenant).revision)
    if (recordedUntil !== undefined) {
      high = Math.min(high, this.#chain.revisionAt(stream, tenant, this.positionAt(recordedUntil)))
    }
    const events: StoredEvent[] = []
    // More than once only where events of the stream have expired.
    while (low <= high && events.length < limit) {
      const count = limit - events.length
      const first = backwards ? Math.max(low, high - count + 1) : low
      const last = backwards ? high : Math.min(high, low + count - 1)
      const rows = this.#atPositions.all(JSON.stringify(this.#chain.positions(stream, tenant, first, last)))
      if (backwards) rows.reverse()
      for (const row of rows) events.push(toEvent(row))
      if (backwards) high = first - 1
      else low = last + 1
    }
    return events
  }

  /** Readers do not name a tenant yet: the stream of none counts first. */
  #tenantOf(stream: string): string {
    return this.#chain.tenants(stream)[0] ?? ''
  }

  readLog(query: LogQuery): LogPage {
    const after = query.after ?? 0
    const backwards = query.backwards ?? false
    const until = Math.min(query.until ?? Number.MAX_SAFE_INTEGER, this.head())
    if (until <= after) return { events: [], scanned: backwards ? after + 1 : after, end: true }
    if (query.limit <= 0) return { events: [], scanned: backwards ? until + 1 : after, end: false }
    const positions = this.#candidates.find(query, after, until)
    return positions === undefined
      ? this.#scan(query, after, until, backwards)
      : this.#pick(query, positions, after, until, backwards)
  }

  /** The usual way: a bounded range of positions, filtered in SQL as far as that goes. */
  #scan(query: LogQuery, after: number, until: number, backwards: boolean): LogPage {
    const nearest = (backwards ? this.#last.get(until) : this.#first.get(after)) ?? 0
    if (nearest <= after || nearest > until) return pageEnd([], after, until, backwards)
    const low = backwards ? Math.max(after, nearest - PAGE_SCAN) : nearest - 1
    const high = backwards ? nearest : Math.min(until, low + PAGE_SCAN)
    const filter = rangeFilterOf(query)
    const matches = anyType(query.types)
    const events: StoredEvent[] = []
    let units = 0
    let last: number | undefined
    for (const row of this.#range(filter, backwards).iterate(low, high, ...filter.values)) {
      if (events.length >= query.limit || units >= PAGE_UNITS) return { events, scanned: last ?? low, end: false }
      last = row[0]
      if (matches !== undefined && !matches(row[2])) continue
      units += row[14].length
      events.push(toEvent(row))
    }
    if (backwards ? low === after : high === until) return pageEnd(events, after, until, backwards)
    return { events, scanned: backwards ? low + 1 : high, end: false }
  }

  /** By an index that names few events: their positions first, then those events. */
  #pick(query: LogQuery, found: Found, after: number, until: number, backwards: boolean): LogPage {
    const matches = matcherOf(query)
    const events: StoredEvent[] = []
    let units = 0
    let last: number | undefined
    for (let start = 0; start < found.positions.length; start += PICKED_AT_ONCE) {
      const part = found.positions.slice(start, start + PICKED_AT_ONCE)
      const rows = this.#atPositions.all(JSON.stringify(part))
      if (backwards) rows.reverse()
      for (const row of rows) {
        if (last !== undefined && (events.length >= query.limit || units >= PAGE_UNITS)) {
          return { events, scanned: last, end: false }
        }
        last = row[0]
        const event = toEvent(row)
        if (!matches(event)) continue
        units += event.data.length
        events.push(event)
      }
    }
    if (found.complete) return pageEnd(events, after, until, backwards)
    return { events, scanned: found.positions.at(-1) ?? (backwards ? until + 1 : after), end: false }
  }

  #range(filter: RangeFilter, backwards: boolean): RowStatement {
    const sql = `where position > ? and position <= ?${filter.sql} order by position${backwards ? ' desc' : ''}`
    let statement = this.#ranges.get(sql)
    if (statement === undefined) {
      statement = this.#rows(sql)
      if (this.#ranges.size >= MOST_CACHED) this.#ranges.clear()
      this.#ranges.set(sql, statement)
    }
    return statement
  }

  #rows(rest: string): RowStatement {
    return this.#connection.prepare(`select ${EVENT_COLUMNS} from hodisa_events ${rest}`).raw() as RowStatement
  }

  #position(sql: string): PositionStatement {
    return this.#connection.prepare<number[], number>(sql).pluck()
  }
}

/** Few enough that their data fits in memory, however large. */
const PICKED_AT_ONCE = 32

/** Where an event of a receipt stands. */
interface Place {
  readonly bucket: number
  readonly type: string
  readonly position: number
}

/** Positions worth looking at, in the order of the query. */
export interface Found {
  readonly positions: readonly number[]
  /** There are no others in the range. */
  readonly complete: boolean
}

function pageEnd(events: StoredEvent[], after: number, until: number, backwards: boolean): LogPage {
  return { events, scanned: backwards ? after + 1 : until, end: true }
}

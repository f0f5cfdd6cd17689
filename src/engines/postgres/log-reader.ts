import { HodisaError } from '../../errors.ts'
import { toEvent } from '../../store/event-row.ts'
import type { StoredEvent } from '../../store/events.ts'
import { anyType } from '../../store/log-matcher.ts'
import type { LogPage, LogQuery, StreamQuery } from '../../store/port.ts'
import { Candidates, type Range } from './candidates.ts'
import type { Database } from './database.ts'
import { conditionsOf, isLoose, isStorable, matchesNothing, Values } from './log-filter.ts'
import { BY_IDS, DATA, HEAD, OLDEST, POSITION_AT, RESOLVE, rangeSql } from './log-reader.sql.ts'
import { Scale } from './log-reader-scale.ts'
import { type BoundedRow, boundedColumns, fill, isPlaced, isWhole, type LooseRow } from './rows.ts'
import { type Found, StreamReader } from './stream-reader.ts'
import type { BatchRange } from './token.ts'

/** A page that matches little ends after so many positions, so that a rare filter does not keep a connection. */
const PAGE_SCAN = 20_000
/** Of data and metadata. */
const PAGE_BYTES = 4 * 1024 * 1024

/** Where an event of a receipt stands. */
interface Place {
  readonly bucket: number
  readonly type: string
  readonly position: number
}

/** Reads of the log. Sees only what has a position: somebody has to tick first. */
export class LogReader {
  readonly #database: Database
  readonly #scale = new Scale()
  readonly #candidates: Candidates
  readonly #streams: StreamReader
  /** There is nothing before. */
  #oldest = 0

  constructor(database: Database) {
    this.#database = database
    this.#candidates = new Candidates(database, this.#scale)
    this.#streams = new StreamReader(database, this.#scale)
  }

  async head(): Promise<number> {
    const head = await this.#number(HEAD)
    this.#scale.saw(head)
    return head
  }

  async oldest(): Promise<number> {
    const oldest = await this.#number(OLDEST, [this.#oldest])
    this.#oldest = Math.max(this.#oldest, oldest)
    return oldest
  }

  positionAt(time: number): Promise<number> {
    return this.#number(POSITION_AT, [Math.floor(time)])
  }

  async byIds(ids: readonly string[]): Promise<Found> {
    const asked = [...new Set(ids)].filter(isStorable)
    if (asked.length === 0) return { events: [], unplaced: false }
    const rows = await this.#rows<LooseRow>(BY_IDS, [asked])
    const placed = rows.filter(isPlaced)
    this.#scale.saw(placed[0]?.[0] ?? 0)
    return { events: placed.map(toEvent), unplaced: placed.length < rows.length }
  }

  /** Undefined while one of the batches has no position. */
  async resolve(ranges: readonly BatchRange[]): Promise<readonly Place[] | undefined> {
    const values = [0, 1, 2].map((column) => ranges.map((range) => range[column]))
    const rows = await this.#rows<[number | null, number | null, number, string]>(RESOLVE, values)
    const places: Place[] = []
    for (const [start, ordinal, bucket, type] of rows) {
      if (start === null) return undefined
      if (ordinal !== null) places.push({ bucket, type, position: start + ordinal })
    }
    this.#scale.saw(places.at(-1)?.position ?? 0)
    return places
  }

  streamRevision(stream: string): Promise<number> {
    return this.#streams.revision(stream)
  }

  readStream(query: StreamQuery): Promise<Found> {
    return this.#streams.read(query)
  }

  /** A page of what stands at or below `head`. */
  async readLog(query: LogQuery, head: number): Promise<LogPage> {
    this.#scale.saw(head)
    const after = query.after ?? 0
    const backwards = query.backwards ?? false
    const until = Math.min(query.until ?? Number.MAX_SAFE_INTEGER, head)
    const matches = anyType(query.types)
    if (until <= after) return { events: [], scanned: backwards ? after + 1 : after, end: true }
    if (query.limit <= 0) return { events: [], scanned: backwards ? until + 1 : after, end: false }
    if (matchesNothing(query) || (backwards ? until : Number.MAX_SAFE_INTEGER) < this.#oldest)
      return pageEnd([], after, until, backwards)
    const limit = Math.min(query.limit, PAGE_SCAN)
    const bytes = Math.max(1_024, Math.floor((2 * PAGE_BYTES) / limit))
    const whole = { first: after + 1, last: until, limit, bytes }
    const picked = await this.#candidates.find(query, whole, head)
    const range = picked === undefined ? this.#near(whole, backwards) : whole
    const rows = picked ?? (await this.#scan(query, range))
    const { events, scanned } = await this.#cut(rows, backwards, isLoose(query) ? matches : undefined)
    if (scanned !== undefined) return { events, scanned, end: false }
    const last = rows.at(-1)?.[0] ?? 0
    if (rows.length >= limit && last !== (backwards ? range.first : range.last))
      return { events, scanned: last, end: false }
    if (backwards ? range.first === after + 1 : range.last === until) return pageEnd(events, after, until, backwards)
    return { events, scanned: backwards ? range.first : range.last, end: false }
  }

  /** As much of a range as one page looks at. */
  #near(range: Range, backwards: boolean): Range {
    if (backwards) return { ...range, first: Math.max(range.first, range.last - PAGE_SCAN + 1) }
    const first = Math.max(range.first, this.#oldest)
    return { ...range, first, last: Math.min(range.last, first + PAGE_SCAN - 1) }
  }

  /** The usual way: a range of positions, filtered in SQL as far as that goes. */
  async #scan(query: LogQuery, range: Range): Promise<BoundedRow[]> {
    const values = new Values()
    const columns = boundedColumns(values.add(range.bytes, 'bigint'))
    const conditions = conditionsOf(query, values)
    const sql = rangeSql(
      columns,
      values.add(range.first, 'bigint'),
      values.add(range.last, 'bigint'),
      values.add(range.limit, 'bigint'),
      conditions,
      query.backwards === true,
    )
    const rows = await this.#rows<BoundedRow>(sql, values.list)
    // A log whose beginning has expired is not looked through from 1.
    if (rows.length === 0 && (this.#oldest === 0 || conditions.length === 0)) await this.oldest()
    return rows
  }

  /** As many events as a page may hold, and where it was cut, if it was. */
  async #cut(
    rows: readonly BoundedRow[],
    backwards: boolean,
    matches: ((type: string) => boolean) | undefined,
  ): Promise<{ events: StoredEvent[]; scanned?: number }> {
    const events: StoredEvent[] = []
    let bytes = 0
    let last = backwards ? Number.MAX_SAFE_INTEGER : 0
    let large: Map<number, [data: string | null, metadata: string | null]> | undefined
    for (const row of rows) {
      const position = row[0]
      if (backwards ? position >= last : position <= last) throw twice(position)
      if (bytes >= PAGE_BYTES) return { events, scanned: last }
      if (matches?.(row[2]) === false) {
        last = position
        continue
      }
      if (isWhole(row)) {
        bytes += row[14].length
        events.push(toEvent(row))
      } else {
        large ??= await this.#data(rows.filter((each) => !isWhole(each) && matches?.(each[2]) !== false))
        const found = large.get(position)
        if (found === undefined) return { events, scanned: last }
        const [data, metadata] = found
        if (data !== null) {
          bytes += data.length
          events.push(toEvent(fill(row, data, metadata)))
        } // else it expired in between
      }
      last = position
    }
    return { events }
  }

  /** Of as many as fit into a page, and at least of one. */
  async #data(rows: readonly BoundedRow[]): Promise<Map<number, [string | null, string | null]>> {
    const positions = rows.map((row) => row[0])
    const found = await this.#rows<[number, string | null, string | null]>(DATA, [positions, PAGE_BYTES])
    return new Map(found.map(([position, data, metadata]) => [position, [data, metadata]]))
  }

  async #number(sql: string, values: readonly unknown[] = []): Promise<number> {
    const [row] = await this.#rows<[number | null]>(sql, values)
    return row?.[0] ?? 0
  }

  #rows<Row extends readonly unknown[]>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    return this.#database.query<Row>(this.#scale.of(sql), values)
  }
}

function pageEnd(events: StoredEvent[], after: number, until: number, backwards: boolean): LogPage {
  return { events, scanned: backwards ? after + 1 : until, end: true }
}

function twice(position: number): HodisaError {
  return new HodisaError('store-corrupt', `the log has more than one event at position ${position}`, { position })
}

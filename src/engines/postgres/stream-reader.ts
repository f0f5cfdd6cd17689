import { toEvent } from '../../store/event-row.ts'
import type { StoredEvent } from '../../store/events.ts'
import type { StreamQuery } from '../../store/port.ts'
import type { Database } from './database.ts'
import { isStorable } from './log-filter.ts'
import { PLACE } from './log-reader.sql.ts'
import type { Scale } from './log-reader-scale.ts'
import { EVENT_COLUMNS, isPlaced, type LooseRow } from './rows.ts'

/** What was found, and whether there was more without a position yet. */
export interface Found {
  readonly events: readonly StoredEvent[]
  readonly unplaced: boolean
}

const REVISION = 'select revision from hodisa.streams where stream = $1::text order by tenant limit 1'

/** Readers do not name a tenant yet: the stream of none counts first. */
const TENANT = "coalesce((select tenant from hodisa.streams where stream = $1::text order by tenant limit 1), '')"

const eventsSql = (order: string) => `
  select ${EVENT_COLUMNS} from (
    select * from hodisa.events
    where stream = $1::text and revision >= $2::bigint and revision <= $3::bigint and tenant = ${TENANT}
    order by revision${order} limit $4::bigint
  ) e left join lateral ${PLACE} l on true`

const FORWARDS = eventsSql('')
const BACKWARDS = eventsSql(' desc')

/**
 * The last revision recorded at or before a time, by binary search; `recorded_at` never falls within a stream. And whether it met
 * events without a position, which may turn out to be recorded by then.
 */
const REVISION_AT = `
  with recursive search (low, high, unplaced) as (
    select 0::bigint, coalesce((select revision from hodisa.streams where stream = $1::text order by tenant limit 1), 0), false
    union all
    select case when f.revision is null or f.recorded_at <= $2::bigint then s.middle else s.low end,
      case when f.revision is null or f.recorded_at <= $2::bigint then s.high else f.revision - 1 end,
      f.revision is not null and f.recorded_at is null
    from (select low, high, low + (high - low + 1) / 2 as middle from search where low < high) s left join lateral (
      select e.revision, l.recorded_at from (
        select revision, batch from hodisa.events
        where stream = $1::text and revision > s.low and revision <= s.middle and tenant = ${TENANT}
        order by revision desc limit 1
      ) e left join lateral ${PLACE} l on true
    ) f on true
  )
  select max(low), bool_or(unplaced) from search`

/** Reads of one stream, by its index. */
export class StreamReader {
  readonly #database: Database
  readonly #scale: Scale

  constructor(database: Database, scale: Scale) {
    this.#database = database
    this.#scale = scale
  }

  async revision(stream: string): Promise<number> {
    if (!isStorable(stream)) return 0
    const [row] = await this.#database.query<[number]>(this.#scale.of(REVISION), [stream])
    return row?.[0] ?? 0
  }

  /** Full pages of events that have a position. */
  async read(query: StreamQuery): Promise<Found> {
    const { stream, limit, recordedUntil = Number.POSITIVE_INFINITY, backwards = false } = query
    if (!isStorable(stream)) return { events: [], unplaced: false }
    const low = Math.max(1, query.from ?? 1)
    let high = Math.min(Number.MAX_SAFE_INTEGER, query.to ?? Number.MAX_SAFE_INTEGER)
    let unplaced = false
    if (backwards && Number.isFinite(recordedUntil)) {
      const found = await this.#revisionAt(stream, recordedUntil)
      high = Math.min(high, found.revision)
      unplaced = found.unplaced
    }
    const events: StoredEvent[] = []
    while (low <= high && events.length < limit) {
      const count = Math.min(limit - events.length, Number.MAX_SAFE_INTEGER)
      const sql = this.#scale.of(backwards ? BACKWARDS : FORWARDS)
      const rows = await this.#database.query<LooseRow>(sql, [
        stream,
        Math.ceil(low),
        Math.floor(high),
        Math.floor(count),
      ])
      const before = events.length
      for (const row of rows) {
        if (isPlaced(row) && row[6] <= recordedUntil) events.push(toEvent(row))
        unplaced ||= !isPlaced(row)
      }
      this.#scale.saw(events.at(-1)?.position ?? 0)
      // Only downwards may there be events with a position behind those without.
      const last = rows.at(-1)?.[9] ?? 0
      if (!backwards || events.length - before === rows.length || rows.length < count) break
      high = last - 1
    }
    return { events, unplaced }
  }

  async #revisionAt(stream: string, time: number): Promise<{ readonly revision: number; readonly unplaced: boolean }> {
    const sql = this.#scale.of(REVISION_AT)
    const [row] = await this.#database.query<[number, boolean]>(sql, [stream, Math.floor(time)])
    const [revision, unplaced] = row ?? [0, false]
    return { revision, unplaced }
  }
}

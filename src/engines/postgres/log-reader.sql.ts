import { EVENT_COLUMNS } from './rows.ts'

/*
 * Joins are lateral, with a limit inside: there is but one way to run them, in the order in which they are written, whatever the
 * server believes of the tables. A join by equality was seen to become a scan of all events where statistics were missing.
 */

export const HEAD = 'select position from hodisa.ticks order by id desc limit 1'

/** The row of the log that holds a position. */
const holds = (position: string) =>
  `(select position, batch, recorded_at from hodisa.log where position <= ${position} order by position desc limit 1)`

/** Of the batch of an event `e`. */
export const PLACE = '(select position, recorded_at from hodisa.log where batch = e.batch limit 1)'

/** From what is known as the oldest: events are removed, and never come back. */
export const OLDEST = `
  select l.position + e.ordinal from (
    select position, batch from hodisa.log
    where position >= coalesce((select max(position) from hodisa.log where position <= $1::bigint), 0)
      and batch >= (select min(batch) from hodisa.events)
    order by position limit 100000000
  ) l cross join lateral (select ordinal from hodisa.events where batch = l.batch order by ordinal limit 1) e limit 1`

/** A binary search by position: `recorded_at` never falls, so it needs no index of its own. */
export const POSITION_AT = `
  with recursive search (low, high) as (
    select 0::bigint, coalesce((select position from hodisa.ticks order by id desc limit 1), 0)
    union all
    select case when l.recorded_at <= $1::bigint then greatest(l.position + l.events - 1, s.middle) else s.low end,
      case when l.recorded_at <= $1::bigint then s.high else l.position - 1 end
    from (select low, high, low + (high - low + 1) / 2 as middle from search where low < high) s cross join lateral (
      select position, events, recorded_at from hodisa.log where position <= s.middle order by position desc limit 1
    ) l
  )
  select max(low) from search`

export const BY_IDS = `
  select ${EVENT_COLUMNS} from unnest($1::text[]) g (id)
  cross join lateral (select * from hodisa.events where id = g.id limit 100) e
  left join lateral ${PLACE} l on true`

/** One row at least for each range, without a position where its batch has none, and without an event where none is left. */
export const RESOLVE = `
  select l.position, e.ordinal, e.bucket, e.type
  from unnest($1::bigint[], $2::integer[], $3::integer[]) r (batch, first, last)
  left join lateral (select position from hodisa.log where batch = r.batch limit 1) l on true
  left join lateral (
    select ordinal, bucket, type from hodisa.events where batch = r.batch and ordinal >= r.first and ordinal <= r.last
    order by ordinal limit 100000000
  ) e on true`

/** Data of events at given positions, in their order, as long as what came before has fewer bytes than given. */
export const DATA = `
  select w.position, e.data, e.metadata from (
    select n, p.position, batch, ordinal, coalesce(sum(bytes) over (order by n rows between unbounded preceding and 1 preceding), 0) as before
    from unnest($1::bigint[]) with ordinality p (position, n)
    cross join lateral ${holds('p.position')} l
    left join lateral (
      select ordinal, octet_length(data) + coalesce(octet_length(metadata), 0) as bytes from hodisa.events
      where batch = l.batch and ordinal = p.position - l.position limit 1
    ) e on true
  ) w left join lateral (select data, metadata from hodisa.events where batch = w.batch and ordinal = w.ordinal limit 1) e on true
  where w.before < $2::bigint order by w.n`

/** Matching events of a range of positions, in their order. */
export function rangeSql(
  columns: string,
  first: string,
  last: string,
  limit: string,
  conditions: readonly string[],
  down: boolean,
) {
  const order = down ? ' desc' : ''
  return `
  select ${columns} from (
    select position, batch, recorded_at from hodisa.log
    where position >= coalesce((select max(position) from hodisa.log where position <= ${first}), 0) and position <= ${last}
    order by position${order} limit 100000000
  ) l cross join lateral (
    select * from hodisa.events
    where batch = l.batch and ordinal >= ${first} - l.position and ordinal <= ${last} - l.position${and(conditions)}
    order by ordinal${order} limit 100000000
  ) e limit ${limit}`
}

function and(conditions: readonly string[]): string {
  return conditions.map((condition) => ` and ${condition}`).join('')
}

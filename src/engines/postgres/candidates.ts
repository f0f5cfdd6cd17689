import type { LogQuery } from '../../store/port.ts'
import type { Database } from './database.ts'
import { conditionsOf, isStorable, Values } from './log-filter.ts'
import { PLACE } from './log-reader.sql.ts'
import type { Scale } from './log-reader-scale.ts'
import { type BoundedRow, boundedColumns } from './rows.ts'

/** A value with more events than these is looked for in the log itself: it is dense there. */
const MOST = 20_000
const MOST_REMEMBERED = 1_000

export interface Range {
  readonly first: number
  readonly last: number
  /** Rows at most. */
  readonly limit: number
  /** Bytes of one event above which its data is left out. */
  readonly bytes: number
}

/** Events that an index names, for filters few events match. */
export class Candidates {
  readonly #database: Database
  readonly #scale: Scale
  /** Values that were found to have too many. */
  readonly #dense = new Set<string>()

  constructor(database: Database, scale: Scale) {
    this.#database = database
    this.#scale = scale
  }

  /** All that match in the range, up to the limit, in the order of the query. Undefined where no index helps. */
  async find(query: LogQuery, range: Range, head: number): Promise<BoundedRow[] | undefined> {
    const source = sourceOf(query)
    const name = JSON.stringify(source)
    if (source === undefined || this.#dense.has(name)) return undefined
    const values = new Values()
    const most = Math.max(MOST, Math.floor(Math.sqrt(range.limit * head)))
    const sql = candidatesSql(query, source, range, most, values)
    const rows = await this.#database.query<[number, ...BoundedRow]>(this.#scale.of(sql), values.list)
    if ((rows[0]?.[0] ?? 0) > most) {
      if (this.#dense.size >= MOST_REMEMBERED) this.#dense.clear()
      this.#dense.add(name)
      return undefined
    }
    const found: BoundedRow[] = []
    for (const [, ...row] of rows) if (row[0] !== null) found.push(row)
    const direction = query.backwards === true ? -1 : 1
    return found.sort((left, right) => (left[0] - right[0]) * direction)
  }
}

type Source =
  | readonly [kind: 'key' | 'correlation' | 'causation', value: string]
  | readonly ['streams', readonly string[]]

/** The filter that is likely to match the fewest. */
function sourceOf({ key, streams, correlationId, causationId }: LogQuery): Source | undefined {
  if (key !== undefined) return ['key', key]
  if (streams !== undefined) return ['streams', streams]
  if (correlationId !== undefined) return ['correlation', correlationId]
  return causationId === undefined ? undefined : ['causation', causationId]
}

/** What an index finds, and what that may miss: an event that stands for itself. */
function lookups([kind, value]: Source, values: Values): readonly string[] {
  // One by one: for an array the server may read the whole table, not knowing how many it has.
  if (kind === 'streams') {
    const names = values.add([...new Set(value.filter(isStorable))], 'text[]')
    return [`unnest(${names}) g (name) cross join lateral (select * from hodisa.events where stream = g.name limit`]
  }
  const given = values.add(value, 'text')
  const found = (condition: string) => `(select * from hodisa.events where ${condition} limit`
  switch (kind) {
    case 'key':
      return [
        found(`stream = ${given}`),
        found(`key = ${given} and stream is null`),
        found(`id = ${given} and key is null and stream is null`),
      ]
    case 'correlation':
      return [found(`correlation_id = ${given}`), found(`id = ${given} and correlation_id is null`)]
    case 'causation':
      return [found(`causation_id = ${given}`)]
  }
}

/** Counts first, then goes on only if there are few. The count is in each row, of which there is one at least. */
function candidatesSql(query: LogQuery, source: Source, range: Range, most: number, values: Values): string {
  const bound = values.add(most, 'bigint')
  const fits = conditionsOf(query, values).join(' and ')
  const sources = lookups(source, values).map(
    (lookup) => `(select batch, ordinal, (${fits}) as fits from ${lookup} ${bound} + 1) e limit ${bound} + 1)`,
  )
  const [first, last] = [values.add(range.first, 'bigint'), values.add(range.last, 'bigint')]
  const columns = boundedColumns(values.add(range.bytes, 'bigint'))
  return `
  with found as materialized (${sources.join(' union all ')})
  select counted.n, events.* from (select count(*) as n from found) counted left join lateral (
    select ${columns} from (
      select l.position, l.recorded_at, e.batch, e.ordinal from found e cross join lateral ${PLACE} l
      where (select count(*) from found) <= ${bound} and e.fits and l.position + e.ordinal between ${first} and ${last}
      order by l.position + e.ordinal${query.backwards === true ? ' desc' : ''} limit ${values.add(range.limit, 'bigint')}
    ) l cross join lateral (select * from hodisa.events where batch = l.batch and ordinal = l.ordinal limit 1) e
  ) events on true`
}

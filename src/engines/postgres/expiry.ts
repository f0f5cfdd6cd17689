import { listTables, type Table, tableName } from './collections.ts'
import type { Database } from './database.ts'
import { stateOf } from './errors.ts'
import { plannedAnew } from './planned-anew.ts'

/** Rows that one statement removes. */
const AT_ONCE = 2_000
/** Minutes of the busiest store. */
const KEPT_TICKS = 50_000
/** What one call removes of the store's own at most, in steps: more comes with the next call. */
const MOST_STEPS = 50

/** By their place in the table, which no join would go to without reading all of it. The places in the log stay: what comes after keeps its position. */
const EVENTS = `delete from hodisa.events where ctid = any (array(
    select e.ctid from hodisa.events e where e.expires_at <= $1 order by e.expires_at limit ${AT_ONCE} for update skip locked))`
/** What the newest tick's snapshot is past will not be looked for again. Only what the log has: ids of transactions may begin anew. */
const BATCHES = `delete from hodisa.batches where ctid = any (array(
    select b.ctid from hodisa.batches b
    where b.xid < (select pg_snapshot_xmin(t.snapshot) from hodisa.ticks t order by t.id desc limit 1)
      and exists (select from hodisa.log l where l.batch = b.batch)
    order by b.xid limit ${AT_ONCE} for update skip locked))`
/** A process must find the one it saw last, or that it is not there: they are kept for longer than a process that works stays away. */
const TICKS = `delete from hodisa.ticks where ctid = any (array(
    select t.ctid from hodisa.ticks t
    where t.id <= (select max(n.id) from hodisa.ticks n) - ${KEPT_TICKS}
    order by t.id limit ${AT_ONCE} for update skip locked))`
const ABANDONED = `delete from hodisa.abandoned where at < now() - interval '1 day'`
/** Whoever asks does so at once. */
const OUTCOMES = `delete from hodisa.outcomes where ctid = any (array(
    select o.ctid from hodisa.outcomes o where o.at < now() - interval '1 hour' limit ${AT_ONCE} for update skip locked))`

/** Removes what has expired, and what the store itself needs no longer. */
export class Expiry {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** How many events and documents were removed. */
  async remove(now: number): Promise<number> {
    const time = Math.floor(now)
    let count = await this.#removeAll(EVENTS, time)
    for (const table of await listTables(this.#database)) count += await this.#removeDocuments(table, time)
    for (const sql of [BATCHES, TICKS, OUTCOMES]) {
      for (let steps = 0; steps < MOST_STEPS && (await this.#step(sql, [])) === AT_ONCE; steps++);
    }
    await this.#step(ABANDONED, [])
    return count
  }

  async #removeDocuments(table: Table, time: number): Promise<number> {
    try {
      return await this.#removeAll(expiredDocuments(table), time)
    } catch (error) {
      // Somebody has dropped the collection since.
      if (stateOf(error) === '42P01') return 0
      throw error
    }
  }

  async #removeAll(sql: string, time: number): Promise<number> {
    let count = 0
    for (let removed = AT_ONCE; removed === AT_ONCE; count += removed) removed = await this.#step(sql, [time])
    return count
  }

  async #step(sql: string, values: readonly unknown[]): Promise<number> {
    const counted = `with removed as (${sql} returning 1) select count(*) from removed`
    const [row] = await plannedAnew<[number]>(this.#database, counted, values)
    return row?.[0] ?? 0
  }
}

function expiredDocuments(table: Table): string {
  const name = tableName(table)
  return `delete from ${name} where ctid = any (array(
    select d.ctid from ${name} d where d.expires_at <= $1 order by d.expires_at limit ${AT_ONCE} for update skip locked))`
}

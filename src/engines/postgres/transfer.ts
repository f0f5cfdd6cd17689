import { HodisaError } from '../../errors.ts'
import type { DocumentWrite } from '../../store/documents.ts'
import { kindNumber } from '../../store/event-row.ts'
import type { StoredEvent } from '../../store/events.ts'
import { columnsOf, TRANSFERRED, type Transfer, type TransferRow, type TransferTable } from '../../store/transfer.ts'
import { Collections, columnOf, tableName } from './collections.ts'
import type { Database, Session } from './database.ts'
import { LOCK_NAMESPACE } from './functions.sql.ts'
import { inTransaction } from './transaction.ts'
import { type Run, runsOf } from './transfer-runs.ts'

/** The primary key of each table. */
const KEYS: Readonly<Record<TransferTable, readonly string[]>> = {
  streams: ['stream', 'tenant'],
  givenIds: ['id', 'tenant'],
  done: ['service', 'position'],
  started: ['service', 'position'],
  cursors: ['service', 'key'],
  deadLetters: ['id'],
}

/** An id is kept with the place of its event in a batch. */
const GIVEN_IDS = `(select g.id, g.tenant, g.fingerprint, g.version, l.position + g.ordinal as position, g.stream, g.revision, g.type,
    g.bucket
  from hodisa.given_ids g cross join lateral (select position from hodisa.log where batch = g.batch limit 1) l)`
const PUT_GIVEN_IDS = `insert into hodisa.given_ids (id, tenant, fingerprint, version, batch, ordinal, stream, revision, type, bucket)
  select v->>0, v->>1, v->>2, (v->>3)::integer, l.batch, (v->>4)::bigint - l.position, v->>5, (v->>6)::bigint, v->>7, (v->>8)::smallint
  from jsonb_array_elements($1::jsonb) v cross join lateral (
    select batch, position from hodisa.log where position <= (v->>4)::bigint order by position desc limit 1) l
  on conflict (id, tenant) do nothing`

/** The same lock as of a tick, and then in a later statement what the last one left. */
const LOCK = `select pg_advisory_xact_lock(${LOCK_NAMESPACE}, 'hodisa.ticks'::regclass::oid::integer)`
const LAST = 'select position, recorded_at from hodisa.ticks order by id desc limit 1'
const NUMBERS = "select nextval('hodisa.batch_numbers') from generate_series(1, $1::integer)"
const PUT_LOG = `insert into hodisa.log (position, batch, events, recorded_at)
  select (v->>0)::bigint, (v->>1)::bigint, (v->>2)::integer, (v->>3)::bigint from jsonb_array_elements($1::jsonb) v`
const PUT_EVENTS = `insert into hodisa.events (batch, ordinal, id, type, version, kind, timestamp, bucket, stream, revision, key, source,
    correlation_id, causation_id, data, metadata, tenant, subject, tags, encoding, expires_at)
  select (v->>0)::bigint, (v->>1)::integer, v->>2, v->>3, (v->>4)::integer, (v->>5)::smallint, (v->>6)::bigint, (v->>7)::smallint,
    v->>8, (v->>9)::bigint, v->>10, v->>11, v->>12, v->>13, v->>14, v->>15, v->>16, v->>17, v->>18, v->>19, (v->>20)::bigint
  from jsonb_array_elements($1::jsonb) v`
/** With the snapshot of the one before: what that has not seen is still to be given its place. */
const PUT_TICK = `insert into hodisa.ticks (snapshot, position, recorded_at)
  select t.snapshot, $1::bigint, $2::bigint from hodisa.ticks t order by t.id desc limit 1`
/** Statistics may be missing of what was just written. */
const BY_INDEX = 'set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off'

/** All of the store, row by row. */
export class PostgresTransfer implements Transfer {
  readonly #database: Database
  /** Gives what is committed its place. */
  readonly #fresh: () => Promise<number>
  readonly #changed: () => void

  /** @param changed is called where what this process remembers may be outdated */
  constructor(database: Database, fresh: () => Promise<number>, changed: () => void) {
    this.#database = database
    this.#fresh = fresh
    this.#changed = changed
  }

  last(): Promise<number> {
    return this.#fresh()
  }

  async rows(table: TransferTable, after: TransferRow | undefined, limit: number): Promise<readonly TransferRow[]> {
    const columns = columnsOf(table)
    const key = KEYS[table].join(', ')
    const place = KEYS[table].map((name) => after?.[columns.findIndex((column) => column.name === name)] ?? null)
    const behind = after === undefined ? '' : `where (${key}) > (${place.map((_, n) => `$${n + 2}`).join(', ')})`
    const shown = columns.map(({ name, isNumber }) => (isNumber ? `${name}::bigint` : name))
    const from = table === 'givenIds' ? GIVEN_IDS : tableOf(table)
    // A flag has no short way to be a number.
    const list = shown.map((column) => (column === 'alone::bigint' ? 'alone::integer' : column)).join(', ')
    const sql = `select ${list} from ${from} t ${behind} order by ${key} limit $1`
    return this.#byIndex((session) =>
      session.query<(string | number | null)[]>(sql, [limit, ...(after === undefined ? [] : place)]),
    )
  }

  async documents(collection: string, after: string | undefined, limit: number): Promise<readonly DocumentWrite[]> {
    const rows = await this.#byIndex(async (session) => {
      const table = await new Collections().get(collection, session)
      const keys = table.indexes.map((index) => `, ${columnOf(table, index)}`).join('')
      const sql = `select id, data, expires_at${keys} from ${tableName(table)}
        ${after === undefined ? '' : 'where id > $2'} order by id limit $1`
      const found = await session.query<[string, string, number | null, ...(string | null)[]]>(
        sql,
        after === undefined ? [limit] : [limit, after],
      )
      return found.map((row) => ({ row, table }))
    })
    return rows.map(({ row: [id, data, expiresAt, ...found], table }) => ({
      ...{ collection, id, data },
      keys: Object.fromEntries(table.indexes.flatMap((name, number) => pair(name, found[number]))),
      ...(expiresAt !== null && { expiresAt }),
    }))
  }

  async putEvents(after: number, events: readonly StoredEvent[], until: number): Promise<void> {
    await inTransaction(this.#database, async (session) => {
      await session.query(LOCK)
      const [row] = await session.query<[position: number, recordedAt: number]>(LAST)
      const [last = 0, recordedAt = 0] = row ?? []
      if (last !== after) {
        throw new HodisaError('copy-refused', `the last position is ${last}, not ${after}: somebody else writes there`)
      }
      const runs = runsOf(events, { after, until, recordedAt })
      const numbers = await session.query<[number]>(NUMBERS, [runs.length])
      const batches = runs.map((run, index) => ({ ...run, batch: numbers[index]?.[0] ?? 0 }))
      const log = batches.map(({ position, batch, count, recordedAt }) => [position, batch, count, recordedAt])
      await session.query(PUT_LOG, [JSON.stringify(log)])
      await session.query(PUT_EVENTS, [JSON.stringify(batches.flatMap(eventRows))])
      await session.query(PUT_TICK, [until, batches.at(-1)?.recordedAt ?? recordedAt])
    })
    this.#changed()
    await this.#fresh()
  }

  async put(table: TransferTable, rows: readonly TransferRow[]): Promise<void> {
    const sql = table === 'givenIds' ? PUT_GIVEN_IDS : putSql(table)
    await inTransaction(this.#database, (session) => session.query(sql, [JSON.stringify(rows)]))
    this.#changed()
  }

  async clear(table: TransferTable): Promise<void> {
    await this.#database.query(`delete from ${tableOf(table)}`)
  }

  #byIndex<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    return inTransaction(this.#database, async (session) => {
      await session.raw({ text: BY_INDEX })
      return work(session)
    })
  }
}

/** In the order of {@link PUT_EVENTS}. */
function eventRows({ batch, position, events }: Run & { readonly batch: number }): readonly unknown[][] {
  return events.map((event) => [
    ...[batch, event.position - position, event.id, event.type, event.version, kindNumber(event.kind)],
    ...[event.timestamp, event.bucket, event.stream, event.revision, event.key, event.source],
    ...[event.correlationId === event.id ? null : event.correlationId, event.causationId, event.data, event.metadata],
    ...[event.tenant ?? '', event.subject, event.tags, event.encoding, event.expiresAt],
  ])
}

function putSql(table: TransferTable): string {
  const columns = columnsOf(table)
  const names = columns.map(({ name }) => name).join(', ')
  const picked = columns.map(({ name, isNumber }, n) => {
    if (!isNumber) return `v->>${n}`
    return name === 'alone' ? `(v->>${n})::integer <> 0` : `(v->>${n})::bigint`
  })
  const changes = columns
    .filter(({ name }) => !KEYS[table].includes(name))
    .map(({ name }) => `${name} = excluded.${name}`)
  return `insert into ${tableOf(table)} (${names}) select ${picked.join(', ')} from jsonb_array_elements($1::jsonb) v
    on conflict (${KEYS[table].join(', ')}) do update set ${changes.join(', ')}`
}

function tableOf(table: TransferTable): string {
  return `hodisa.${TRANSFERRED[table].name}`
}

function pair(name: string, key: string | null | undefined): [string, string][] {
  return key === null || key === undefined ? [] : [[name, key]]
}

import { BUCKETS } from '../../event/bucket.ts'
import type { Cursor, CursorState, GroupProgress, GroupState, GroupUpdate, StartedMark } from '../../store/groups.ts'
import type { Groups } from '../../store/port.ts'
import { storedJson } from '../../store/stored-json.ts'
import type { Database } from './database.ts'
import { forgetGroup, updateGroup } from './group-writer.ts'
import { LEASE_COLUMNS, type LeaseRow, toEffective } from './lease-rows.ts'
import { inTransaction } from './transaction.ts'

/** Leases with the mark of their owner. */
const LEASES = 'hodisa.leases l left join hodisa.marks m on m.service = l.service and m.instance = l.owner'
/** `greatest` passes over what is null. */
const EFFECTIVE = 'greatest(l.checkpoint, m.mark)'

const LIST = 'select service from hodisa.groups order by service'
const REVISIONS = 'select service, revision from hodisa.groups'
const READ = `select g.revision, g.paused, g.subscriptions, g.members, g.breakers,
    (select json_agg(json_build_array(${LEASE_COLUMNS}) order by l.bucket) from ${LEASES} where l.service = g.service)
  from hodisa.groups g where g.service = $1`
const PROGRESS = `select (select json_agg(${EFFECTIVE} order by l.bucket) from ${LEASES} where l.service = $1),
    (select json_object_agg(c.state, c.count) from
      (select c.state, count(*) from hodisa.cursors c where c.service = $1 group by c.state) c)`
/** Checkpoints by bucket in an array, and no join: the server may take the rows for few, and go through them for every lease. */
const DONE = `with held as materialized (
    select min(${EFFECTIVE}) as lowest, array_agg(${EFFECTIVE} order by l.bucket) as checkpoints from ${LEASES} where l.service = $1)
  select d.bucket, d.position from hodisa.done d
  where d.service = $1 and d.bucket = any ($2::smallint[])
    and d.position > (select h.lowest from held h) and d.position > (select h.checkpoints from held h)[d.bucket + 1]
  order by d.position`
const STARTED = `select bucket, position, deaths from hodisa.started
  where service = $1 and bucket = any ($2::smallint[]) order by position`
const CURSORS = `select key, bucket, position, state, attempts, first_failed_at, next_attempt_at, error, dead_letter, finished
  from hodisa.cursors where service = $1`

type GroupRow = [
  revision: number,
  paused: string | null,
  subscriptions: string,
  members: string,
  breakers: string,
  leases: LeaseRow[],
]

type CursorRow = [
  key: string,
  bucket: number,
  position: number,
  state: CursorState,
  attempts: number,
  firstFailedAt: number,
  nextAttemptAt: number,
  error: string | null,
  deadLetter: string | null,
  finished: string | null,
]

/** The state of services, as everybody sees it. */
export class PostgresGroups implements Groups {
  readonly #database: Database
  readonly #durable: boolean

  constructor(database: Database, durable: boolean) {
    this.#database = database
    this.#durable = durable
  }

  async list(): Promise<readonly string[]> {
    const rows = await this.#database.query<[string]>(LIST)
    return rows.map(([service]) => service)
  }

  async read(service: string): Promise<GroupState> {
    const [row] = await this.#database.query<GroupRow>(READ, [service])
    if (row === undefined) return unrecorded(service)
    const [revision, paused, subscriptions, members, breakers, leases] = row
    const where = `service ${service}`
    return {
      service,
      revision,
      paused,
      subscriptions: storedJson(subscriptions, 'subscriptions', where),
      members: storedJson(members, 'members', where),
      breakers: storedJson(breakers, 'breakers', where),
      leases: leases.map(toEffective),
    }
  }

  async revisions(): Promise<ReadonlyMap<string, number>> {
    return new Map(await this.#database.query<[string, number]>(REVISIONS))
  }

  update(service: string, revision: number, change: GroupUpdate): Promise<boolean> {
    // Nothing of an attempt that is tried again has taken effect.
    return this.#database.persistently(() =>
      inTransaction(this.#database, (session) => updateGroup(session, service, revision, change, this.#durable)),
    )
  }

  forget(service: string, revision: number): Promise<boolean> {
    return this.#database.persistently(() =>
      inTransaction(this.#database, (session) => forgetGroup(session, service, revision, this.#durable)),
    )
  }

  async progress(service: string): Promise<GroupProgress> {
    type Row = [number[] | null, Partial<Record<CursorState, number>> | null]
    const [row] = await this.#database.query<Row>(PROGRESS, [service])
    return {
      checkpoints: row?.[0] ?? new Array<number>(BUCKETS).fill(0),
      cursors: { retrying: 0, parked: 0, waiting: 0, ...row?.[1] },
    }
  }

  async done(service: string, buckets: ReadonlySet<number>): Promise<readonly { bucket: number; position: number }[]> {
    const rows = await this.#database.query<[number, number]>(DONE, [service, [...buckets]])
    return rows.map(([bucket, position]) => ({ bucket, position }))
  }

  async started(service: string, buckets: ReadonlySet<number>): Promise<readonly StartedMark[]> {
    const rows = await this.#database.query<[number, number, number]>(STARTED, [service, [...buckets]])
    return rows.map(([bucket, position, deaths]) => ({ bucket, position, deaths }))
  }

  async cursors(service: string, buckets?: ReadonlySet<number>): Promise<readonly Cursor[]> {
    const some = buckets !== undefined && buckets.size < BUCKETS
    const rows = some
      ? await this.#database.query<CursorRow>(`${CURSORS} and bucket = any ($2::smallint[]) order by position`, [
          service,
          [...buckets],
        ])
      : await this.#database.query<CursorRow>(`${CURSORS} order by position`, [service])
    return rows.map(toCursor)
  }
}

function toCursor(row: CursorRow): Cursor {
  const [key, bucket, position, state, attempts, firstFailedAt, nextAttemptAt, error, deadLetter, finished] = row
  const where = `the cursor of ${key}`
  return {
    ...{ key, bucket, position, state, attempts, firstFailedAt, nextAttemptAt, deadLetter },
    error: error === null ? null : storedJson(error, 'error', where),
    finished: finished === null ? null : storedJson(finished, 'finished', where),
  }
}

function unrecorded(service: string): GroupState {
  const leases = Array.from({ length: BUCKETS }, (_, bucket) =>
    toEffective([bucket, null, 0, 0, null, null, null, null]),
  )
  return { service, revision: 0, paused: null, subscriptions: [], members: [], breakers: [], leases }
}

import { BUCKETS } from '../../event/bucket.ts'
import type { GroupUpdate } from '../../store/groups.ts'
import type { Session } from './database.ts'
import { changedLeases, LEASE_COLUMNS, type LeaseRow } from './lease-rows.ts'

/*
 * Changes of the state of services, inside a transaction that somebody else began. The row of the group is locked first: whoever
 * holds it is the only one to change leases and marks. Locks go on in the order that progress takes them in.
 */

const CREATE = `insert into hodisa.groups (service, revision) values ($1, 0) on conflict do nothing
  returning hodisa.assure_durable($2) is null`
const CREATE_LEASES = `insert into hodisa.leases (service, bucket) select $1, n from generate_series(0, ${BUCKETS - 1}) n`
const LOCK = `select hodisa.assure_durable($3) is null from hodisa.groups g where g.service = $1 and g.revision = $2 for update`
const LOCK_LEASES = `select ${LEASE_COLUMNS} from hodisa.leases l
  left join hodisa.marks m on m.service = l.service and m.instance = l.owner
  where l.service = $1 and (l.bucket = any ($2::smallint[]) or l.owner = any ($3::text[]) or l.checkpoint > $4)
  order by l.bucket for update of l`
const SET_LEASES = `update hodisa.leases l
  set owner = v->>1, epoch = (v->>2)::bigint, checkpoint = (v->>3)::bigint, covered = v->>4, needs = v->>5,
    careful_until = (v->>6)::bigint
  from jsonb_array_elements($2::jsonb) v where l.service = $1 and l.bucket = (v->>0)::smallint`
/** Of those that stay: what is above them is removed, and locked, after them. */
const COUNT_DEATHS = `update hodisa.started s set deaths = s.deaths + 1, alone = false from (
    select o.position from hodisa.started o where o.service = $1 and o.instance = any ($2::text[]) and o.alone
      and ($3::bigint is null or o.position <= $3)
    order by o.position for update) begun
  where s.service = $1 and s.position = begun.position`
const REMOVE_MARKS = 'delete from hodisa.marks where service = $1 and instance = any ($2::text[])'
const CHANGE = `update hodisa.groups set revision = revision + 1, paused = case when $2 then $3 else paused end,
    subscriptions = coalesce($4, subscriptions), members = coalesce($5, members), breakers = coalesce($6, breakers)
  where service = $1`
const RAISE = 'select hodisa.raise_groups($1)'

/** Progress by the key of its rows, in the order its rows are locked in. */
const PROGRESS = [
  ['done', 'position'],
  ['started', 'position'],
  ['dead_letters', 'id'],
  ['cursors', 'key'],
] as const

/** False, and nothing is changed, where the group is not at `revision`. */
export async function updateGroup(
  session: Session,
  service: string,
  revision: number,
  change: GroupUpdate,
  durable: boolean,
): Promise<boolean> {
  if (revision === 0) {
    if ((await session.query(CREATE, [service, durable])).length === 0) return false
    await session.query(CREATE_LEASES, [service])
  } else if (!(await lock(session, service, revision, durable))) return false
  const { paused, subscriptions, members, breakers, died = [], fold = [], forgetProgressAfter } = change
  await updateLeases(session, service, change)
  if (died.length > 0) await session.query(COUNT_DEATHS, [service, died, forgetProgressAfter ?? null])
  if (forgetProgressAfter !== undefined) await forgetProgress(session, service, forgetProgressAfter)
  if (fold.length > 0) await session.query(REMOVE_MARKS, [service, fold])
  const texts = [subscriptions, members, breakers].map((rows) => (rows === undefined ? null : JSON.stringify(rows)))
  // The reason may quote anything, but the server keeps no U+0000.
  const reason = paused?.replaceAll('\0', '\ufffd') ?? null
  await session.query(CHANGE, [service, paused !== undefined, reason, ...texts])
  await session.query(RAISE, [service])
  return true
}

/** Removes everything about the service; false, and nothing is changed, where the group is not at `revision`. */
export async function forgetGroup(
  session: Session,
  service: string,
  revision: number,
  durable: boolean,
): Promise<boolean> {
  if (revision > 0 && !(await lock(session, service, revision, durable))) return false
  if (revision === 0) {
    // Progress may stand there without a group.
    if ((await session.query('select from hodisa.groups where service = $1', [service])).length > 0) return false
  }
  await session.query('select from hodisa.leases where service = $1 order by bucket for update', [service])
  await session.query('delete from hodisa.leases where service = $1', [service])
  await forgetProgress(session, service, -1)
  await session.query('delete from hodisa.marks where service = $1', [service])
  await session.query('delete from hodisa.groups where service = $1', [service])
  await session.query(RAISE, [service])
  return true
}

async function lock(session: Session, service: string, revision: number, durable: boolean): Promise<boolean> {
  return (await session.query(LOCK, [service, revision, durable])).length > 0
}

async function updateLeases(session: Session, service: string, change: GroupUpdate): Promise<void> {
  const { fold = [], rewind, leases = [] } = change
  if (fold.length === 0 && rewind === undefined && leases.length === 0) return
  const buckets = leases.map(({ bucket }) => bucket)
  const rows = await session.query<LeaseRow>(LOCK_LEASES, [service, buckets, fold, rewind?.from ?? null])
  if (rows.length > 0) await session.query(SET_LEASES, [service, JSON.stringify(changedLeases(rows, change))])
}

async function forgetProgress(session: Session, service: string, after: number): Promise<void> {
  for (const [table, key] of PROGRESS) {
    const sql = `delete from hodisa.${table} t using (
        select o.${key} from hodisa.${table} o where o.service = $1 and o.position > $2 order by o.${key} for update) gone
      where t.${key} = gone.${key} and t.service = $1`
    await session.query(sql, [service, after])
  }
}

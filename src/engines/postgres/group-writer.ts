import type { GroupUpdate } from '../../store/groups.ts'
import type { Session } from './database.ts'
import { changedLeases, type LeaseRow } from './lease-rows.ts'

/* Changes of the state of services, inside a transaction that somebody else began. */

const LOCK = `select hodisa.lock_group($1::text, $2::bigint, $3::boolean, $4::smallint[], $5::text[], $6::bigint)`
const WRITE = `select hodisa.write_group($1::text, $2::jsonb, $3::text[], $4::bigint, $5::text[], $6::boolean, $7::text, $8::text, $9::text,
  $10::text)`
const FORGET_PROGRESS = 'select hodisa.forget_progress($1::text, -1::bigint)'
const RAISE = 'select hodisa.raise_groups($1::text)'

/** False, and nothing is changed, where the group is not at `revision`. */
export async function updateGroup(
  session: Session,
  service: string,
  revision: number,
  change: GroupUpdate,
  durable: boolean,
): Promise<boolean> {
  const { paused, subscriptions, members, breakers, died = [], fold = [], rewind, forgetProgressAfter } = change
  const buckets = change.leases?.map(({ bucket }) => bucket) ?? []
  const asked = [service, revision, durable, buckets, fold, rewind?.from ?? null]
  const [locked] = await session.query<[LeaseRow[] | null]>(LOCK, asked)
  const rows = locked?.[0] ?? null
  if (rows === null) return false
  const leases = changedLeases(rows, change)
  const texts = [subscriptions, members, breakers].map((some) => (some === undefined ? null : JSON.stringify(some)))
  // The reason may quote anything, but the server keeps no U+0000.
  const reason = paused?.replaceAll('\0', '\ufffd') ?? null
  await session.query(WRITE, [
    service,
    leases.length === 0 ? null : JSON.stringify(leases),
    died.length === 0 ? null : died,
    forgetProgressAfter ?? null,
    fold.length === 0 ? null : fold,
    paused !== undefined,
    reason,
    ...texts,
  ])
  return true
}

/** Removes everything about the service; false, and nothing is changed, where the group is not at `revision`. */
export async function forgetGroup(
  session: Session,
  service: string,
  revision: number,
  durable: boolean,
): Promise<boolean> {
  if (revision > 0) {
    const [locked] = await session.query<[LeaseRow[] | null]>(LOCK, [service, revision, durable, [], [], null])
    if ((locked?.[0] ?? null) === null) return false
  } else if ((await session.query('select from hodisa.groups where service = $1', [service])).length > 0) {
    // Progress may stand there without a group.
    return false
  }
  await session.query('select from hodisa.leases where service = $1 order by bucket for update', [service])
  await session.query('delete from hodisa.leases where service = $1', [service])
  await session.query(FORGET_PROGRESS, [service])
  await session.query('delete from hodisa.marks where service = $1', [service])
  await session.query('delete from hodisa.groups where service = $1', [service])
  await session.query(RAISE, [service])
  return true
}

import { type GroupUpdate, type Lease, type LeaseChange, rewound } from '../../store/groups.ts'
import { storedJson } from '../../store/stored-json.ts'
import { text } from './progress-change.ts'

/** As the server's JSON tells it, with the owner's mark. */
export type LeaseRow = readonly [
  bucket: number,
  owner: string | null,
  epoch: number,
  checkpoint: number,
  covered: string | null,
  needs: string | null,
  carefulUntil: number | null,
  mark: number | null,
]

/** In the order of {@link LeaseRow}. */
export const LEASE_COLUMNS = 'l.bucket, l.owner, l.epoch, l.checkpoint, l.covered, l.needs, l.careful_until, m.mark'

/** The lease by its own checkpoint. */
export function toLease([bucket, owner, epoch, checkpoint, covered, needs, carefulUntil]: LeaseRow): Lease {
  const where = `the lease of bucket ${bucket}`
  return {
    bucket,
    owner,
    epoch,
    checkpoint,
    covered: covered === null ? null : storedJson(covered, 'covered', where),
    needs: needs === null ? null : storedJson(needs, 'needs', where),
    carefulUntil,
  }
}

/** The lease by its effective checkpoint. */
export function toEffective(row: LeaseRow): Lease {
  return withMark(toLease(row), row[7])
}

/** What becomes of those leases that do not stay as they are, as rows: marks are folded, then leases are rewound, then changed. */
export function changedLeases(
  rows: readonly LeaseRow[],
  { fold = [], rewind, leases = [] }: GroupUpdate,
): readonly (readonly unknown[])[] {
  const folded = new Set(fold)
  const changes = Map.groupBy(leases, ({ bucket }) => bucket)
  return rows.flatMap((row) => {
    let lease = row[1] !== null && folded.has(row[1]) ? toEffective(row) : toLease(row)
    if (rewind !== undefined) lease = rewound(lease, rewind) ?? lease
    for (const change of changes.get(lease.bucket) ?? []) lease = changed(lease, change)
    const { bucket, owner, epoch, checkpoint, covered, needs, carefulUntil } = lease
    const after = [bucket, owner, epoch, checkpoint, text(covered), text(needs), carefulUntil]
    return after.every((value, index) => value === row[index]) ? [] : [after]
  })
}

function withMark(lease: Lease, mark: number | null): Lease {
  return mark === null || mark <= lease.checkpoint ? lease : { ...lease, checkpoint: mark }
}

function changed(lease: Lease, change: LeaseChange): Lease {
  const given = Object.entries(change).filter(([, value]) => value !== undefined)
  return { ...lease, ...Object.fromEntries(given) }
}

import assert from 'node:assert/strict'
import type { Cursor, StoredDeadLetter } from '../groups.ts'
import type { Store } from '../port.ts'

export function cursorOf(key: string, position: number, given: Partial<Cursor> = {}): Cursor {
  return {
    key,
    bucket: 0,
    position,
    state: 'retrying',
    attempts: 1,
    firstFailedAt: 1_700_000_000_000,
    nextAttemptAt: 1_700_000_000_250,
    error: null,
    deadLetter: null,
    finished: null,
    ...given,
  }
}

export function letterOf(id: string, position: number, given: Partial<StoredDeadLetter> = {}): StoredDeadLetter {
  return {
    id,
    service: 'email',
    key: 'order-1',
    bucket: 0,
    position,
    eventId: `evt_${position}`,
    type: 'order.created',
    state: 'parked',
    attempts: 5,
    error: { name: 'Error', message: 'mailbox is full' },
    firstFailedAt: 1_700_000_000_000,
    parkedAt: 1_700_000_009_000,
    edited: null,
    ...given,
  }
}

/** Records a service whose instances own these buckets at epoch 1; returns its revision. */
export async function owning(
  store: Store,
  owners: Readonly<Record<string, readonly number[]>>,
  service = 'email',
): Promise<number> {
  const leases = Object.entries(owners).flatMap(([owner, buckets]) =>
    buckets.map((bucket) => ({ bucket, owner, epoch: 1 })),
  )
  assert.ok(await store.groups.update(service, 0, { leases }))
  return 1
}

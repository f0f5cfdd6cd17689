import { HodisaError } from '../../errors.ts'
import { BUCKETS } from '../../event/bucket.ts'
import {
  type Cursor,
  type CursorState,
  type Fence,
  type GroupProgress,
  type GroupState,
  type GroupUpdate,
  type Lease,
  type LeaseChange,
  type Member,
  type OpenBreaker,
  type Progress,
  rewound,
  type StartedMark,
  type Subscription,
} from '../../store/groups.ts'
import type { Letters } from './dead-letters.ts'
import { frozen } from './frozen.ts'

interface Group {
  revision: number
  paused: string | null
  subscriptions: readonly Subscription[]
  members: readonly Member[]
  breakers: readonly OpenBreaker[]
  leases: readonly Lease[]
  /** Up to where each instance is finished, in all buckets it owns. */
  readonly marks: Map<string, number>
  /** Finished positions above the checkpoint, by bucket. */
  readonly done: Map<number, Set<number>>
  /** What was begun with care, by position. */
  readonly started: Map<number, StartedMark & { readonly instance: string; readonly alone: boolean }>
  readonly cursors: Map<string, Cursor>
  /** The leases as everybody sees them; undefined once they have changed. */
  seen: readonly Lease[] | undefined
}

/** What the store keeps of services. Synchronous: the caller sees to it that one change follows the other. */
export class GroupTable {
  readonly #groups = new Map<string, Group>()
  readonly #letters: Letters

  constructor(letters: Letters) {
    this.#letters = letters
  }

  list(): readonly string[] {
    return [...this.revisions().keys()].sort()
  }

  revisions(): ReadonlyMap<string, number> {
    const recorded = [...this.#groups].filter(([, { revision }]) => revision > 0)
    return new Map(recorded.map(([service, { revision }]) => [service, revision]))
  }

  read(service: string): GroupState {
    const group = this.#groups.get(service) ?? newGroup()
    const { revision, paused, subscriptions, members, breakers } = group
    return { service, revision, paused, subscriptions, members, breakers, leases: leasesOf(group) }
  }

  update(service: string, revision: number, change: GroupUpdate): boolean {
    const group = this.#groups.get(service) ?? newGroup()
    if (group.revision !== revision) return false
    const {
      paused,
      subscriptions,
      members,
      breakers,
      died = [],
      fold = [],
      rewind,
      leases = [],
      forgetProgressAfter,
    } = change
    group.leases = folded(group.leases, new Set(fold), group.marks)
    if (rewind !== undefined) group.leases = group.leases.map((lease) => frozen(rewound(lease, rewind) ?? lease))
    group.leases = changed(group.leases, leases)
    for (const instance of fold) group.marks.delete(instance)
    if (paused !== undefined) group.paused = paused
    if (subscriptions !== undefined) group.subscriptions = frozen(subscriptions)
    if (members !== undefined) group.members = frozen(members)
    if (breakers !== undefined) group.breakers = frozen(breakers)
    for (const mark of group.started.values()) {
      if (mark.alone && died.includes(mark.instance)) {
        group.started.set(mark.position, { ...mark, alone: false, deaths: mark.deaths + 1 })
      }
    }
    if (forgetProgressAfter !== undefined) this.#forgetAfter(service, group, forgetProgressAfter)
    group.revision = revision + 1
    group.seen = undefined
    this.#groups.set(service, group)
    return true
  }

  forget(service: string, revision: number): boolean {
    if ((this.#groups.get(service)?.revision ?? 0) !== revision) return false
    this.#groups.delete(service)
    this.#letters.removeAfter(service, 0)
    return true
  }

  progress(service: string): GroupProgress {
    const group = this.#groups.get(service) ?? newGroup()
    const counts: Record<CursorState, number> = { retrying: 0, parked: 0, waiting: 0 }
    for (const { state } of group.cursors.values()) counts[state]++
    return { checkpoints: leasesOf(group).map(({ checkpoint }) => checkpoint), cursors: counts }
  }

  done(service: string, buckets: ReadonlySet<number>): readonly { bucket: number; position: number }[] {
    const group = this.#groups.get(service) ?? newGroup()
    return leasesOf(group).flatMap((lease) => {
      const { bucket, checkpoint } = lease
      if (!buckets.has(bucket)) return []
      const above = [...(group.done.get(bucket) ?? [])].filter((position) => position > checkpoint)
      return above.sort((a, b) => a - b).map((position) => ({ bucket, position }))
    })
  }

  started(service: string, buckets: ReadonlySet<number>): readonly StartedMark[] {
    const marks = [...(this.#groups.get(service)?.started.values() ?? [])].filter(({ bucket }) => buckets.has(bucket))
    return marks
      .toSorted((a, b) => a.position - b.position)
      .map(({ bucket, position, deaths }) => ({ bucket, position, deaths }))
  }

  cursors(service: string, buckets?: ReadonlySet<number>): readonly Cursor[] {
    const all = [...(this.#groups.get(service)?.cursors.values() ?? [])]
    return buckets === undefined ? all : all.filter(({ bucket }) => buckets.has(bucket))
  }

  /** Replaces a cursor whose head is this dead letter; its key and bucket stay. */
  moveCursor(service: string, letter: string, key: string, next: Cursor): void {
    const cursors = this.#groups.get(service)?.cursors
    const cursor = cursors?.get(key)
    if (cursors === undefined || cursor?.deadLetter !== letter) return
    cursors.set(key, frozen({ ...next, key, bucket: cursor.bucket }))
  }

  /** @throws {HodisaError} `lease-lost` unless the write is allowed. */
  assertFenced({ service, instance, fences, groupRevision, mark, once, done = [] }: Progress): void {
    if (mark !== undefined && groupRevision === undefined) {
      throw new HodisaError('invalid-option', 'a mark needs the revision of the group', { service, mark })
    }
    const group = this.#groups.get(service) ?? newGroup()
    if (groupRevision !== undefined && group.revision !== groupRevision) {
      throw new HodisaError('lease-lost', `${service} changed from revision ${groupRevision} to ${group.revision}`, {
        service,
        instance,
        group: true,
      })
    }
    for (const fence of fences) assertHeld(group, service, instance, fence)
    if (once !== true) return
    for (const { bucket, position } of done) {
      if (group.done.get(bucket)?.has(position)) {
        throw new HodisaError('lease-lost', `${service} has finished position ${position} already`, {
          service,
          instance,
          bucket,
          position,
        })
      }
    }
  }

  /** Writes progress that was found to be allowed. */
  advance({
    service,
    instance,
    mark,
    done = [],
    started = [],
    survived = [],
    cursors = [],
    deadLetters = [],
  }: Progress): void {
    const group = this.#groups.get(service) ?? newGroup()
    // Progress alone records no service: it stays at revision 0 until its first update.
    this.#groups.set(service, group)
    for (const { bucket, position } of done) {
      const positions = group.done.get(bucket) ?? new Set()
      group.done.set(bucket, positions.add(position))
      group.started.delete(position)
    }
    for (const { bucket, position, alone } of started) {
      const deaths = group.started.get(position)?.deaths ?? 0
      group.started.set(position, { bucket, position, alone, instance, deaths })
    }
    for (const position of survived) group.started.delete(position)
    if (mark !== undefined) raiseMark(group, instance, mark)
    for (const change of cursors) {
      if ('put' in change) group.cursors.set(change.put.key, frozen(change.put))
      else group.cursors.delete(change.remove)
    }
    for (const change of deadLetters) {
      if ('put' in change) this.#letters.put(change.put)
      else this.#letters.remove(change.remove)
    }
  }

  #forgetAfter(service: string, group: Group, position: number): void {
    for (const positions of group.done.values()) {
      for (const each of positions) if (each > position) positions.delete(each)
    }
    for (const each of group.started.keys()) if (each > position) group.started.delete(each)
    for (const cursor of group.cursors.values()) {
      if (cursor.position > position) group.cursors.delete(cursor.key)
    }
    this.#letters.removeAfter(service, position)
  }
}

function newGroup(): Group {
  const leases = Array.from({ length: BUCKETS }, (_, bucket) =>
    Object.freeze<Lease>({
      bucket,
      owner: null,
      epoch: 0,
      checkpoint: 0,
      covered: null,
      needs: null,
      carefulUntil: null,
    }),
  )
  return {
    revision: 0,
    paused: null,
    subscriptions: [],
    members: [],
    breakers: [],
    leases,
    marks: new Map(),
    done: new Map(),
    started: new Map(),
    cursors: new Map(),
    seen: undefined,
  }
}

/** With the marks of their owners. */
function leasesOf(group: Group): readonly Lease[] {
  group.seen ??= group.leases.map((lease) => effective(lease, group.marks))
  return group.seen
}

function effective(lease: Lease, marks: ReadonlyMap<string, number>): Lease {
  const mark = lease.owner === null ? undefined : marks.get(lease.owner)
  return mark === undefined || mark <= lease.checkpoint ? lease : Object.freeze({ ...lease, checkpoint: mark })
}

function folded(leases: readonly Lease[], instances: ReadonlySet<string>, marks: ReadonlyMap<string, number>) {
  return leases.map((lease) => (lease.owner !== null && instances.has(lease.owner) ? effective(lease, marks) : lease))
}

function changed(leases: readonly Lease[], changes: readonly LeaseChange[]): readonly Lease[] {
  if (changes.length === 0) return leases
  const byBucket = new Map(changes.map((change) => [change.bucket, change]))
  return leases.map((lease) => {
    const change = byBucket.get(lease.bucket)
    return change === undefined ? lease : frozen({ ...lease, ...change })
  })
}

function assertHeld(group: Group, service: string, instance: string, { bucket, epoch }: Fence): void {
  const lease = group.leases[bucket]
  if (lease?.owner === instance && lease.epoch === epoch) return
  throw new HodisaError('lease-lost', `${instance} does not hold bucket ${bucket} of ${service} at epoch ${epoch}`, {
    service,
    instance,
    bucket,
    epoch,
  })
}

function raiseMark(group: Group, instance: string, mark: number): void {
  group.seen = undefined
  group.marks.set(instance, Math.max(mark, group.marks.get(instance) ?? 0))
  for (const { bucket, owner } of group.leases) {
    const positions = owner === instance ? group.done.get(bucket) : undefined
    if (positions === undefined) continue
    for (const position of positions) if (position <= mark) positions.delete(position)
  }
  for (const { bucket, position } of group.started.values()) {
    if (position <= mark && group.leases[bucket]?.owner === instance) group.started.delete(position)
  }
}

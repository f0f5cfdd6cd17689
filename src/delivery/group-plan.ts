/*
 * The rules of sharing, as pure functions from a group's state to the change that is tried by compare-and-set.
 */
import { BUCKETS } from '../event/bucket.ts'
import { parsePattern } from '../event/pattern.ts'
import type { GroupState, GroupUpdate, Lease, Member, Subscription } from '../store/groups.ts'

export type Needs = NonNullable<Lease['needs']>
/** What to try, or undefined where nothing is to be changed. */
export type Change = GroupUpdate | undefined

/** Whether an instance can handle an event of that type and version. */
export function canHandle(member: Member, { type, version }: Needs): boolean {
  return (
    member.patterns.some((pattern) => parsePattern(pattern).matches(type)) &&
    version <= (member.versions[type] ?? version)
  )
}

/**
 * Makes `member` one of the group and records the subscriptions it brings; undefined where nothing would change. A
 * subscription that is recorded already keeps its start. A new one that begins below a checkpoint takes the checkpoint back to
 * its start, and what older ones have finished above it is remembered in `covered`.
 */
export function join(state: GroupState, member: Member, wanted: readonly Subscription[]): GroupUpdate | undefined {
  const known = new Set(state.subscriptions.map(({ pattern }) => pattern))
  const added = wanted.filter(({ pattern }) => !known.has(pattern))
  const before = state.members.find(({ instance }) => instance === member.instance)
  if (added.length === 0 && JSON.stringify(before) === JSON.stringify(member)) return undefined
  const members = [...state.members.filter((other) => other !== before), member]
  if (added.length === 0) return { members }
  const subscriptions = [...state.subscriptions, ...added]
  const start = Math.min(...added.map(({ since }) => since))
  if (state.revision === 0 || known.size === 0) {
    return { members, subscriptions, leases: state.leases.map(({ bucket }) => ({ bucket, checkpoint: start })) }
  }
  const fold = state.members.map(({ instance }) => instance)
  return { members, subscriptions, fold, rewind: { from: start, patterns: [...known] } }
}

/**
 * Takes dead instances out: their marks are folded into their leases, and the leases are free at the next epoch. What they
 * may have had in hand, up to `head`, is begun with care from now on.
 */
export function evict(state: GroupState, dead: ReadonlySet<string>, head: number): GroupUpdate | undefined {
  const members = state.members.filter(({ instance }) => !dead.has(instance))
  if (members.length === state.members.length) return undefined
  return {
    members,
    fold: [...dead],
    died: [...dead],
    leases: state.leases
      .filter(({ owner }) => owner !== null && dead.has(owner))
      .map(({ bucket, epoch }) => ({ bucket, owner: null, epoch: epoch + 1, carefulUntil: head })),
  }
}

/** Whose the buckets are: everybody's in equal shares, or all of them one instance's. */
export type Sharing = 'even' | 'one'

/**
 * How many buckets an instance should hold: all shares differ by one at most, and instances beyond 256 rest; or the first of them
 * holds all.
 */
export function quota(state: GroupState, instance: string, sharing: Sharing = 'even'): number {
  const ids = state.members.map((member) => member.instance).sort()
  const rank = ids.indexOf(instance)
  if (rank < 0) return 0
  if (sharing === 'one') return rank === 0 ? BUCKETS : 0
  return Math.floor(BUCKETS / ids.length) + (rank < BUCKETS % ids.length ? 1 : 0)
}

/**
 * Claims free buckets up to the quota, and beyond it those that only instances like this one can go on with. `orphaned`: whoever
 * they are due to does not come for them, so half of what is left is claimed too, and the others find the rest; all of it where
 * one instance is to hold all.
 */
export function claim(
  state: GroupState,
  me: Member,
  avoid: ReadonlySet<number>,
  orphaned = false,
  sharing: Sharing = 'even',
): GroupUpdate | undefined {
  // It was taken for dead meanwhile, or is another instance by now: whoever evicts members would not find what it claims.
  if (!state.members.some(({ instance }) => instance === me.instance)) return undefined
  const owned = state.leases.filter(({ owner }) => owner === me.instance).length
  const free = state.leases.filter(({ bucket, owner }) => owner === null && !avoid.has(bucket))
  const special = free.filter(({ needs }) => needs !== null && canHandle(me, needs))
  const plain = free.filter(({ needs }) => needs === null || !state.members.some((member) => canHandle(member, needs)))
  const left = sharing === 'one' ? plain.length : Math.ceil(plain.length / 2)
  const room = Math.max(orphaned ? left : 0, quota(state, me.instance, sharing) - owned)
  const taken = new Set([...special, ...plain.slice(0, room)])
  if (taken.size === 0) return undefined
  return {
    fold: [me.instance],
    leases: [...taken].map(({ bucket, epoch }) => ({ bucket, owner: me.instance, epoch: epoch + 1, needs: null })),
  }
}

/** What is left of a bucket when its owner lets it go. */
export interface Handover {
  readonly bucket: number
  readonly epoch: number
  readonly checkpoint: number
  readonly covered: Lease['covered']
  readonly needs: Lease['needs']
}

/** Frees buckets that were drained. */
export function release(handovers: readonly Handover[]): GroupUpdate {
  return { leases: handovers.map((handover) => ({ ...handover, owner: null, epoch: handover.epoch + 1 })) }
}

/** Leaves the group, handing everything over. */
export function leave(state: GroupState, instance: string, handovers: readonly Handover[]): GroupUpdate {
  const { leases = [] } = release(handovers)
  const mine = new Set(handovers.map(({ bucket }) => bucket))
  const others = state.leases
    .filter(({ bucket, owner }) => owner === instance && !mine.has(bucket))
    .map(({ bucket, epoch }) => ({ bucket, owner: null, epoch: epoch + 1 }))
  const members = state.members.filter((member) => member.instance !== instance)
  return {
    members,
    fold: [instance],
    leases: [...leases, ...others],
  }
}

/** Moves every bucket to a position; whoever holds one loses it and claims it anew. */
export function reset(state: GroupState, position: number): GroupUpdate {
  return {
    fold: state.members.map(({ instance }) => instance),
    subscriptions: state.subscriptions.map(({ pattern, since }) => ({ pattern, since: Math.min(since, position) })),
    leases: state.leases.map(({ bucket, epoch }) => ({
      bucket,
      owner: null,
      epoch: epoch + 1,
      checkpoint: position,
      covered: null,
      needs: null,
    })),
    forgetProgressAfter: position,
  }
}

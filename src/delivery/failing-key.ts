import { isHodisaError } from '../errors.ts'
import type { StoredEvent } from '../store/events.ts'
import type { Cursor, FinishedAbove, Progress } from '../store/groups.ts'
import type { Breaker } from './breaker.ts'
import type { Executor } from './executor.ts'
import type { Needs } from './group-plan.ts'
import type { Lane, Lanes } from './lanes.ts'
import type { Route } from './routes.ts'
import type { Share, Shares } from './shares.ts'
import type { Entry } from './window.ts'

/** A key that a cursor drains, in memory. */
export interface FailingKey {
  readonly lane: Lane
  cursor: Cursor
  /** Highest position that the reader left to the cursor. */
  skippedTo: number
  /** Up to where the key was last searched for its head. */
  searchedTo: number
  /** The cursor does not stand yet. */
  idle: boolean
  /** Successes of the handler when the head failed first: more of them mean that it is not an outage. */
  successes: number
  /** Positions of events handled since the cursor was last written. */
  unsaved: number[]
  /** Events of the key that were read and are not finished. */
  ahead: readonly StoredEvent[]
  /** What an operator put in the place of the head's data, as the dead letter keeps it. */
  edited: string | null
  /** What an instance must be able to handle to go on, while this one cannot. */
  needs: Needs | undefined
  /** The cursor is being removed, and the reader feeds the lane again. */
  closing: boolean
  cancelTimer: () => void
}

/** What the keys need of the instance around them. */
export interface FailingKeysHost {
  readonly shares: Shares
  readonly lanes: Lanes
  readonly executor: Executor
  breaker(route: Route): Breaker
  /** A handler succeeded. */
  succeeded(route: Route): void
  /** How far the instance has read. */
  scanned(): number
  /** Up to where the store knows a bucket to be finished. */
  persisted(share: Share): number
  /** Writes progress; retries what may pass; rejects with `lease-lost` when the bucket is somebody else's. */
  write(change: Partial<Progress> & Pick<Progress, 'fences'>): Promise<void>
  /** Pauses the whole service. */
  stopService(reason: string): Promise<void>
  /** False while paused, stopping, or when the leases are nearly out. */
  mayStart(): boolean
  /** Something can be done. */
  dispatch(): void
  giveUp(bucket: number, ended: Promise<unknown>): void
  /** The group is to be looked at. */
  resync(): void
  /** The entry is left to the cursor. */
  passed(entry: Entry): void
}

/** Whether an attempt was refused because the event is done: its effects were recorded by an attempt that did not hear of it. */
export function isDone(error: unknown, { position }: StoredEvent): boolean {
  return isHodisaError(error, 'lease-lost') && error.details.position === position
}

/** As it begins. */
export function failingKey(lane: Lane, cursor: Cursor): FailingKey {
  return {
    lane,
    cursor,
    skippedTo: cursor.position,
    searchedTo: 0,
    idle: false,
    successes: 0,
    unsaved: [],
    ahead: [],
    edited: null,
    needs: undefined,
    closing: false,
    cancelTimer: () => undefined,
  }
}

/** What is finished above a new cursor that takes the place of one further on, from which on only that one knows. */
export function joined(above: FinishedAbove | null, before: Cursor | undefined): FinishedAbove | null {
  if (before === undefined) return above
  if (above === null) return before.finished
  const until = new Map(above.patterns.map((one) => [one.pattern, Math.min(one.until, before.position - 1)]))
  for (const one of before.finished?.patterns ?? [])
    until.set(one.pattern, Math.max(one.until, until.get(one.pattern) ?? 0))
  return {
    patterns: [...until].map(([pattern, position]) => ({ pattern, until: position })),
    positions: [
      ...above.positions.filter((position) => position < before.position),
      ...(before.finished?.positions ?? []),
    ],
  }
}

/** The cursor further on: the next event of the key starts afresh. */
export function at(cursor: Cursor, position: number): Cursor {
  return { ...cursor, position, state: 'retrying', attempts: 0, nextAttemptAt: 0, error: null, deadLetter: null }
}

import type { StoredEvent } from '../store/events.ts'
import type { Effects } from './attempt.ts'

/** What the groups of projections are named with, so that no service can be one of them. */
export const PROJECTION = 'projection:'

/**
 * A service whose events are handled one after the other in log order, whatever their keys, by one instance at a time: the one that
 * holds all buckets. It passes nothing over: behind an event that fails everything waits.
 */
export interface OneLane {
  /**
   * An event failed, or nobody here can handle it. Gives the ms after which it is tried again.
   *
   * @param record writes, if the share is still held
   */
  failed(error: unknown, event: StoredEvent, record: (effects: Effects) => Promise<void>): Promise<number>
  /**
   * Set where order is kept by a key of its own instead: the events of one such key are one lane, the keys are shared out among all
   * instances, and each of them reads everything. Undefined for an event that nobody is to see.
   */
  readonly keyOf?: ((event: StoredEvent) => string | undefined | Promise<string | undefined>) | undefined
}

/** Whether one instance is to hold everything. */
export function isWhole(oneLane: OneLane | undefined): boolean {
  return oneLane !== undefined && oneLane.keyOf === undefined
}

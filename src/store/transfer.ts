import type { DocumentWrite } from './documents.ts'
import type { StoredEvent } from './events.ts'

/*
 * What a store holds that its port does not show row by row, for a copy of all of it: see `transfer-copy.ts`. Rows are plain, and
 * the same whatever engine they come from.
 */

/** Whole numbers and texts, in the order of the columns of {@link TRANSFERRED}. */
export type TransferRow = readonly (string | number | null)[]

export type TransferTable = keyof typeof TRANSFERRED

/** How a table is named, and its columns: `+` before a whole number. */
export const TRANSFERRED = {
  streams: { name: 'streams', columns: ['stream', 'tenant', '+revision', '+timestamp'] },
  givenIds: {
    name: 'given_ids',
    columns: [
      ...['id', 'tenant', 'fingerprint', '+version', '+position'],
      ...['stream', '+revision', 'type', '+bucket'],
    ],
  },
  done: { name: 'done', columns: ['service', '+position', '+bucket'] },
  started: { name: 'started', columns: ['service', '+position', '+bucket', 'instance', '+alone', '+deaths'] },
  cursors: {
    name: 'cursors',
    columns: [
      ...['service', 'key', '+bucket', '+position', 'state', '+attempts'],
      ...['+first_failed_at', '+next_attempt_at', 'error', 'dead_letter', 'finished'],
    ],
  },
  deadLetters: {
    name: 'dead_letters',
    columns: [
      ...['id', 'service', 'key', '+bucket', '+position', 'event_id', 'type', 'state', '+attempts', 'error'],
      ...['+first_failed_at', '+parked_at', 'edited'],
    ],
  },
} as const satisfies Readonly<Record<string, { readonly name: string; readonly columns: readonly string[] }>>

/** What an engine does that can be copied from and to. */
export interface Transfer {
  /** The last position that was ever given, whether or not an event is still there. */
  last(): Promise<number>
  /** Rows of a table behind one of them, in an order of the engine's own. */
  rows(table: TransferTable, after: TransferRow | undefined, limit: number): Promise<readonly TransferRow[]>
  /** Documents behind an id, with what finds them and when they expire. */
  documents(collection: string, after: string | undefined, limit: number): Promise<readonly DocumentWrite[]>
  /**
   * Takes over events with the positions and the recording times they have, and all positions up to `until` as given. Nothing is
   * written, and `copy-refused` says so, where `after` is not the last position.
   */
  putEvents(after: number, events: readonly StoredEvent[], until: number): Promise<void>
  /** Puts rows in place of those with their key; those of events come after the events. */
  put(table: TransferTable, rows: readonly TransferRow[]): Promise<void>
  clear(table: Exclude<TransferTable, 'streams' | 'givenIds'>): Promise<void>
}

/** A column as it is called in SQL, and whether it holds whole numbers. */
export interface TransferColumn {
  readonly name: string
  readonly isNumber: boolean
}

export function columnsOf(table: TransferTable): readonly TransferColumn[] {
  return TRANSFERRED[table].columns.map((column) => ({
    name: column.replace('+', ''),
    isNumber: column.startsWith('+'),
  }))
}

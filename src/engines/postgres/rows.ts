import type { EventColumns, EventRow } from '../../store/event-row.ts'

/** Of an event `e` and the row `l` of its batch in the log, in the order that an `EventRow` has. */
export const EVENT_COLUMNS = columns('e.data', 'e.metadata')

/** Null for the data and metadata of an event that has more bytes of them than a parameter says. */
export function boundedColumns(most: string): string {
  const bounded = (column: string) =>
    `case when octet_length(e.data) + coalesce(octet_length(e.metadata), 0) <= ${most} then ${column} end`
  return columns(bounded('e.data'), bounded('e.metadata'))
}

function columns(data: string, metadata: string): string {
  return `l.position + e.ordinal, e.id, e.type, e.version, e.kind, e.timestamp, l.recorded_at, e.bucket, e.stream, e.revision,
    e.key, e.source, e.correlation_id, e.causation_id, ${data}, ${metadata}, nullif(e.tenant, ''), e.subject, e.tags, e.encoding,
    e.expires_at`
}

/** Of {@link boundedColumns}. */
export type BoundedRow = EventColumns<number, string | null>
/** Where the event may have no place in the log yet. */
export type LooseRow = EventColumns<number | null, string>

export function isPlaced(row: LooseRow): row is EventRow {
  return row[0] !== null
}

export function isWhole(row: BoundedRow): row is EventRow {
  return row[14] !== null
}

export function fill(row: BoundedRow, data: string, metadata: string | null): EventRow {
  const filled: EventColumns<number, string | null> = row
  filled[14] = data
  filled[15] = metadata
  return filled as EventRow
}

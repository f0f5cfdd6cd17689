import type { StoredEvent } from '../../store/events.ts'
import { kindOf } from './kinds.ts'

/** Of an event `e` and the row `l` of its batch in the log, in the order {@link EventRow} has. */
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

type Columns<Position, Data> = [
  position: Position,
  id: string,
  type: string,
  version: number,
  kind: number,
  timestamp: number,
  recordedAt: number,
  bucket: number,
  stream: string | null,
  revision: number | null,
  key: string | null,
  source: string,
  correlationId: string | null,
  causationId: string | null,
  data: Data,
  metadata: string | null,
  tenant: string | null,
  subject: string | null,
  tags: string | null,
  encoding: string | null,
  expiresAt: number | null,
]

export type EventRow = Columns<number, string>
/** Of {@link boundedColumns}. */
export type BoundedRow = Columns<number, string | null>
/** Where the event may have no place in the log yet. */
export type LooseRow = Columns<number | null, string>

export function isPlaced(row: LooseRow): row is EventRow {
  return row[0] !== null
}

export function isWhole(row: BoundedRow): row is EventRow {
  return row[14] !== null
}

export function fill(row: BoundedRow, data: string, metadata: string | null): EventRow {
  const filled: Columns<number, string | null> = row
  filled[14] = data
  filled[15] = metadata
  return filled as EventRow
}

/** By index, not by destructuring: this is the hottest loop of reading. */
export function toEvent(row: EventRow): StoredEvent {
  return {
    position: row[0],
    id: row[1],
    type: row[2],
    version: row[3],
    kind: kindOf(row[4]),
    timestamp: row[5],
    recordedAt: row[6],
    bucket: row[7],
    stream: row[8],
    revision: row[9],
    key: row[10],
    source: row[11],
    correlationId: row[12] ?? row[1],
    causationId: row[13],
    data: row[14],
    metadata: row[15],
    tenant: row[16],
    subject: row[17],
    tags: row[18],
    encoding: row[19],
    expiresAt: row[20],
  }
}

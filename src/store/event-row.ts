import { KINDS } from '../event/definition.ts'
import type { EventKind } from '../event/types.ts'
import type { StoredEvent } from './events.ts'

/** An event as a row of a table gives it, in this order. */
export type EventColumns<Position, Data> = [
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

export type EventRow = EventColumns<number, string>

/** How a kind stands in a row. */
export function kindNumber(kind: EventKind): number {
  return KINDS.indexOf(kind)
}

/** By index, not by destructuring: this is the hottest loop of reading. */
export function toEvent(row: EventRow): StoredEvent {
  return {
    position: row[0],
    id: row[1],
    type: row[2],
    version: row[3],
    kind: KINDS[row[4]] ?? 'domain',
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

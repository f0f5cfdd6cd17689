import type { EventKind } from '../event/types.ts'
import type { DocumentWrite, TransactionDocuments } from './documents.ts'
import type { SqlTag } from './sql.ts'

/** An event on its way into the log, complete but for what only the store can give: position, revision, `recordedAt`. */
export interface EventToAppend {
  readonly id: string
  /** Set when the caller chose the id: it is then unique in the whole log, and this tells equal content from other. */
  readonly fingerprint: string | null
  readonly type: string
  readonly version: number
  readonly kind: EventKind
  /** The publisher's clock, in ms since 1970. The store raises it to the stream's last where it would fall. */
  readonly timestamp: number
  readonly stream: string | null
  /** A key given on publish; never together with `stream`. */
  readonly key: string | null
  /** Bucket of `stream ?? key ?? id`. */
  readonly bucket: number
  readonly source: string
  readonly correlationId: string
  readonly causationId: string | null
  /** JSON text of whatever else the metadata holds. */
  readonly metadata: string | null
  /** JSON text, or what the codec made of it. */
  readonly data: string
  readonly tenant: string | null
  readonly subject: string | null
  /** JSON text of an array of texts. */
  readonly tags: string | null
  /** The codec's name for how `data` is encoded; null is plain JSON. */
  readonly encoding: string | null
  /** Ms since 1970, from when on the event may be removed. */
  readonly expiresAt: number | null
}

/** An event as the log holds it. `fingerprint` stays with the ids. */
export interface StoredEvent extends Omit<EventToAppend, 'fingerprint'> {
  readonly position: number
  /** Dense place in the stream, from 1; null without a stream. */
  readonly revision: number | null
  /** The store's clock, ms since 1970, never falling with position. */
  readonly recordedAt: number
}

export type ExpectedRevision = number | 'any' | 'none' | 'exists'

/** Something that must hold for an append to be recorded. More kinds will come; an engine refuses one it does not know. */
export type AppendCondition = RevisionCondition | NoDocumentCondition

export interface RevisionCondition {
  readonly kind: 'expectedRevision'
  readonly stream: string
  readonly expected: ExpectedRevision
}

/**
 * No such document stands in the collection: else `document-exists`. Checked after the revisions, and not for a duplicate. It is
 * whoever else holds a condition on the same stream that this excludes: give one beside it.
 */
export interface NoDocumentCondition {
  readonly kind: 'noDocument'
  readonly collection: string
  readonly id: string
}

/** One atomic write: all of it is recorded, or nothing is. */
export interface AppendRequest {
  /** In log order; streams may alternate. */
  readonly events: readonly EventToAppend[]
  readonly conditions: readonly AppendCondition[]
  /** The timeline of the store on which the caller read what this stands on; on another one it is refused with `store-behind`. */
  readonly timeline?: number
  /**
   * What an id means that is known with other content: an error (`refuse`), or the first recording wins (`keep-first`), as for
   * ids that are derived from the cause.
   */
  readonly onReuse: 'refuse' | 'keep-first'
  /** Written with the events; not when every event is known already. */
  readonly documents?: readonly DocumentWrite[]
  /** What is derived from the events in the same transaction. */
  readonly inline?: InlineWork
}

/**
 * Work in the append's own transaction, once it is known that and where the events will stand, and before they get their place in
 * the log: of two appends that write the same document, the first to do so is first in the log. What it throws refuses the append.
 */
export interface InlineWork {
  /** Names of the inline projections this writer knows: see `Store.inline`. */
  readonly projections: readonly string[]
  /** Gets only events that are new. Awaits nothing but `tx`. */
  run(fresh: readonly PlannedEvent[], tx: InlineTransaction): Promise<void>
}

/** What inline work may use. */
export interface InlineTransaction {
  readonly documents: TransactionDocuments
  readonly sql: SqlTag
}

/** A projection that is written with the events: a writer that does not know it is refused these types with `inline-missing`. */
export interface InlineProjection {
  readonly name: string
  /** Patterns of types. */
  readonly types: readonly string[]
}

/** An event with its place in its stream. */
export interface PlannedEvent {
  readonly event: EventToAppend
  readonly revision: number | null
  readonly timestamp: number
}

/** What a write returns. Plain JSON; never a position. */
export interface Receipt {
  /** Of all events given, in their order. */
  readonly ids: readonly string[]
  /** Each stream that got an event, with its revision after the write. */
  readonly streams: readonly { readonly stream: string; readonly revision: number }[]
  /** True when every event was known already and nothing was recorded. */
  readonly duplicate: boolean
  /** Opaque; hand it to `after` to wait for this write. */
  readonly token: string
}

/** The order key of an event. */
export function keyOf(event: Pick<EventToAppend, 'stream' | 'key' | 'id'>): string {
  return event.stream ?? event.key ?? event.id
}

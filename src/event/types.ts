/** What an event is about: the business, the machinery, or the world outside. */
export type EventKind = 'domain' | 'system' | 'integration'

/** What travels beside the data of every event. Further keys are the publisher's own. */
export interface EventMetadata {
  /** Shared by everything that one request or trigger set off. */
  readonly correlationId: string
  /** The id of the event that this one follows from; absent on the first. */
  readonly causationId?: string
  /** The program that published it, as given to hodisa(). */
  readonly source: string
  /** W3C trace context. */
  readonly traceparent?: string
  readonly tracestate?: string
  readonly [key: string]: unknown
}

/** An event in the log, as handlers, readers, the command and HTTP see it. */
export interface RecordedEvent<Type extends string = string, Data = unknown> {
  readonly id: string
  readonly type: Type
  /** The publisher's clock, ISO 8601 in UTC; never falling within a stream. */
  readonly timestamp: string
  /** Of the data's schema: the current one of the definition this program has, else the recorded one. */
  readonly version: number
  readonly data: Data
  readonly metadata: EventMetadata
  /** `category-id`; absent for an event that belongs to no stream. */
  readonly stream?: string
  /** Dense place in the stream, from 1. */
  readonly revision?: number
  /** Place in the whole log: strictly increasing in the order readers see, not always contiguous. */
  readonly position: number
}

/** What may be said of one event beside its data. */
export interface EventExtras {
  /** The caller's own id: the event is recorded once, however often it is published. */
  readonly id?: string
  /** Whole name of the stream, `category-id`. */
  readonly stream?: string
  /** What order is kept by, for an event of no stream. */
  readonly key?: string
  readonly correlationId?: string
  readonly causationId?: string
  /** Further metadata: plain JSON. */
  readonly metadata?: Readonly<Record<string, unknown>>
}

/** An event that was made but not published yet. Calling a definition returns one. */
export interface NewEvent<Type extends string = string, Input = unknown> {
  readonly type: Type
  readonly data: Input
  readonly extras?: EventExtras
}

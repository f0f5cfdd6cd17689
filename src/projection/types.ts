import type { AnyEventDefinition } from '../event/definition.ts'
import type { RecordedOf, What } from '../event/typed.ts'
import type { RecordedEvent } from '../event/types.ts'
import type { SqlTag } from '../store/port.ts'
import type { FieldPath } from './fields.ts'

/**
 * An event as projections see it. Without its position, which a writer does not know yet: so the same projection can be written with
 * the events, behind them, or anew.
 */
export type ProjectedEvent<Type extends string = string, Data = unknown> = Omit<RecordedEvent<Type, Data>, 'position'>

/** What a handler gets for what it is registered for. */
export type ProjectedFor<Of extends What> = Of extends AnyEventDefinition
  ? WithoutPosition<RecordedOf<Of>>
  : Of extends readonly AnyEventDefinition[]
    ? WithoutPosition<RecordedOf<Of[number]>>
    : ProjectedEvent

type WithoutPosition<Event> = Event extends RecordedEvent<infer Type, infer Data> ? ProjectedEvent<Type, Data> : never

/**
 * The documents of a view as a handler changes them. Changes are seen by the handlers that follow, and are written together with the
 * mark that their events are done. Documents are plain JSON and frozen: a change is a new document.
 */
export interface ViewWriter<Doc> {
  /** The document as the events so far have made it. */
  get(id: string): Promise<Doc | undefined>
  /** Puts a document in place of what stands there. */
  set(id: string, document: Doc): void
  /** Changes a document. Does nothing where there is none; see {@link upsert}. */
  update(id: string, change: (document: Doc) => Doc): void
  /** Changes a document, or makes it. */
  upsert(id: string, change: (document: Doc | undefined) => Doc): void
  delete(id: string): void
  /** SQL for tables of your own, in the transaction of the documents; for projections with `sql: true` and inline ones. */
  readonly sql: SqlTag
}

/** Makes an event into changes of documents: from nothing but the event and the documents, so that it can be done again. */
export type ProjectionHandler<Doc, Event> = (view: ViewWriter<Doc>, event: Event) => void | Promise<void>

export interface ProjectionOptions<Doc> {
  /** From 1. A higher one is built anew beside the one before, which stays as long as its code runs. */
  readonly version: number
  /** Fields that documents can be found and ordered by, e.g. `userId` or `address.city`. */
  readonly indexes?: readonly FieldPath<Doc>[]
  /** Written in the transaction of the append, so that it is never behind; the append takes longer for it. */
  readonly inline?: boolean
  /** Handlers use `view.sql`: they then run inside the transaction and may await nothing but `view`. */
  readonly sql?: boolean
  /**
   * The id of the document that an event is about. Events are then taken in by all instances in parallel, in log order of each
   * document; their handler touches that document alone. Without it one instance takes in all, in the order of the log.
   */
  readonly partition?: (event: ProjectedEvent) => string
  /** What becomes of a version that was never built, where an older one was: `build` it at the start (default), or `refuse` to start. */
  readonly onVersionChange?: 'build' | 'refuse'
}

declare const DOCUMENT: unique symbol

/** Handlers that build a view. Made by `defineProjection`. */
export interface Projection<Doc> {
  readonly name: string
  readonly version: number
  readonly indexes: readonly string[]
  readonly inline: boolean
  readonly [DOCUMENT]?: Doc
  /**
   * Adds a handler; of several that match an event the most specific gets it.
   *
   * @throws {HodisaError} `handler-conflict`, `invalid-name`, `app-started` once an app uses the projection
   */
  on<const Of extends What>(what: Of, handler: ProjectionHandler<Doc, ProjectedFor<Of>>): this
}

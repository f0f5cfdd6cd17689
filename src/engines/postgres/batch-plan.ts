import { HodisaError } from '../../errors.ts'
import { kindNumber } from '../../store/event-row.ts'
import type { AppendRequest, PlannedEvent, Receipt } from '../../store/events.ts'
import {
  type AppendPlan,
  type AppendView,
  assertTimeline,
  type KnownEvent,
  planAppend,
  type StreamHead,
} from '../../store/plan-append.ts'
import { streamName } from './stream-heads.ts'
import { encodeToken } from './token.ts'

/** Bytes of `data` and `metadata` of a batch: the server takes 256 MiB of a JSON value. */
const MOST_BYTES = 128 * 1024 * 1024

/** Of an event that is written by the batch itself, whose number is not known yet. */
const THIS_BATCH = -1

/** An event that was recorded before, and where. */
export interface PlacedEvent extends KnownEvent {
  readonly batch: number
  readonly ordinal: number
}

/** As the server tells it: [id, tenant, fingerprint, version, batch, ordinal, bucket, revision, type, stream]. */
export type IdRow = [string, string, string, number, number, number, number, number | null, string, string | null]

export function placedEvent(row: IdRow): PlacedEvent {
  const [, , fingerprint, version, batch, ordinal, bucket, revision, type, stream] = row
  return { fingerprint, version, stream, revision, type, bucket, batch, ordinal, position: 0 }
}

/** What a batch is planned against. */
export interface Knowledge {
  head(stream: string, tenant: string): StreamHead
  known(id: string, tenant: string): PlacedEvent | undefined
  hasDocument(collection: string, id: string): boolean
}

/** A request with its place in a batch; events of the batch itself have no number of it yet. */
export interface PlannedRequest {
  readonly request: AppendRequest
  readonly plan: AppendPlan<PlacedEvent>
  /** Ordinal of its first new event. */
  readonly first: number
}

/** Parameters of hodisa.append. */
export interface AppendCall {
  readonly streams: string
  readonly ids: string
  readonly events: string
  readonly count: number
}

interface StreamChange {
  readonly stream: string
  readonly tenant: string
  readonly assumed: number
  head: StreamHead
}

/** Requests planned one after the other, each on what those before it will have written, to be written in one transaction. */
export class BatchPlan {
  readonly planned: PlannedRequest[] = []
  readonly timeline: number
  readonly #knowledge: Knowledge
  readonly #streams = new Map<string, StreamChange>()
  readonly #ids: unknown[][] = []
  readonly #written = new Map<string, PlacedEvent>()
  readonly #events: unknown[][] = []
  #bytes = 0

  /** @param timeline the store's, as of now */
  constructor(timeline: number, knowledge: Knowledge) {
    this.timeline = timeline
    this.#knowledge = knowledge
  }

  /** New events so far. */
  get count(): number {
    return this.#events.length
  }

  get streams(): Iterable<StreamChange> {
    return this.#streams.values()
  }

  /** Whether it stands on what a request of this batch writes: it is refused, or not, only when that is committed. */
  touches(request: AppendRequest): boolean {
    const tenant = tenantOf(request)
    return (
      request.events.some(
        ({ id, fingerprint, stream }) =>
          (fingerprint !== null && this.#written.has(idName(id, tenant))) ||
          (stream !== null && this.#streams.has(streamName(stream, tenant))),
      ) ||
      request.conditions.some(
        (condition) => condition.kind === 'expectedRevision' && this.#streams.has(streamName(condition.stream, tenant)),
      )
    )
  }

  /**
   * @param check sees what is new before it is taken in
   * @throws {HodisaError} what the rules of append refuse it with; the batch is as it was then.
   */
  add(request: AppendRequest, check: (fresh: readonly PlannedEvent[]) => void): PlannedRequest {
    const tenant = tenantOf(request)
    const used = new Map<string, StreamChange>()
    const view: AppendView<PlacedEvent> = {
      streamHead: (stream) => {
        const name = streamName(stream, tenant)
        const change = this.#streams.get(name) ?? used.get(name)
        if (change !== undefined) return change.head
        const head = this.#knowledge.head(stream, tenant)
        used.set(name, { stream, tenant, assumed: head.revision, head })
        return head
      },
      known: (id) => this.#written.get(idName(id, tenant)) ?? this.#knowledge.known(id, tenant),
      hasDocument: (collection, id) => this.#knowledge.hasDocument(collection, id),
    }
    assertTimeline(request, this.timeline)
    const plan = planAppend<PlacedEvent>(request, view)
    if (plan.fresh.length > 0) check(plan.fresh)
    const bytes = this.#bytes + bytesOf(plan.fresh)
    if (bytes > MOST_BYTES) {
      const text = `what is recorded in one transaction holds at most ${MOST_BYTES} bytes of data, not ${bytes}`
      throw new HodisaError('append-too-large', text, { limit: MOST_BYTES, bytes })
    }
    this.#bytes = bytes
    // Nothing is written, so nothing has to hold.
    if (plan.fresh.length > 0 || request.events.length === 0) {
      for (const [name, change] of used) this.#streams.set(name, change)
    }
    const first = this.#events.length
    for (const fresh of plan.fresh) this.#write(fresh, tenant)
    const planned: PlannedRequest = { request, plan, first }
    this.planned.push(planned)
    return planned
  }

  /** The batch as the server takes it. */
  call(): AppendCall {
    const streams = [...this.#streams.values()].map(({ stream, tenant, assumed, head }) => [
      stream,
      tenant,
      assumed,
      head.revision,
      head.timestamp,
    ])
    return {
      streams: JSON.stringify(streams),
      ids: JSON.stringify(this.#ids),
      events: JSON.stringify(this.#events),
      count: this.#events.length,
    }
  }

  #write({ event, revision, timestamp }: PlannedEvent, tenant: string): void {
    const { id, type, version, bucket, stream, source, causationId, data, metadata } = event
    const { key, subject, tags, encoding, expiresAt, fingerprint } = event
    const ordinal = this.#events.length
    const row: unknown[] = [id, type, version, kindNumber(event.kind), bucket, timestamp, stream, revision, source]
    row.push(event.correlationId === id ? null : event.correlationId, causationId, data, metadata)
    if ((key ?? event.tenant ?? subject ?? tags ?? encoding ?? expiresAt) !== null) {
      row.push(key, tenant, subject, tags, encoding, expiresAt)
    }
    this.#events.push(row)
    if (fingerprint !== null) {
      this.#ids.push([id, tenant, fingerprint, version, ordinal, bucket, revision, type, stream])
      const place = { batch: THIS_BATCH, ordinal, position: 0 }
      this.#written.set(idName(id, tenant), { fingerprint, version, stream, revision, type, bucket, ...place })
    }
    if (stream === null || revision === null) return
    const change = this.#streams.get(streamName(stream, tenant))
    if (change !== undefined) change.head = { revision, timestamp }
  }
}

function bytesOf(fresh: readonly PlannedEvent[]): number {
  let bytes = 0
  for (const { event } of fresh) bytes += Buffer.byteLength(event.data) + Buffer.byteLength(event.metadata ?? '')
  return bytes
}

/** The receipt of requests that were written together in `batch`. */
export function receiptOf(written: readonly PlannedRequest[], batch: number): Receipt {
  const places: { batch: number; ordinal: number }[] = []
  const streams = new Map<string, number>()
  const ids: string[] = []
  let duplicate = true
  let given = 0
  for (const { request, plan, first } of written) {
    for (const known of plan.known) places.push(known.batch === THIS_BATCH ? { ...known, batch } : known)
    for (let index = 0; index < plan.fresh.length; index++) places.push({ batch, ordinal: first + index })
    for (const id of plan.ids) ids.push(id)
    for (const { stream, revision } of plan.streams) streams.set(stream, Math.max(revision, streams.get(stream) ?? 0))
    if (plan.fresh.length > 0) duplicate = false
    given += request.events.length
  }
  return {
    ids,
    streams: [...streams].map(([stream, revision]) => ({ stream, revision })),
    duplicate: duplicate && given > 0,
    token: encodeToken(places),
  }
}

/** @throws {HodisaError} `invalid-option` for events of several tenants */
export function tenantOf({ events }: AppendRequest): string {
  const tenant = events[0]?.tenant ?? null
  for (const event of events) {
    if (event.tenant !== tenant) {
      throw new HodisaError('invalid-option', 'all events of an append must be of one tenant', { option: 'tenant' })
    }
  }
  return tenant ?? ''
}

export function idName(id: string, tenant: string): string {
  return `${tenant} ${id}`
}

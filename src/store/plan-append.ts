import { HodisaError } from '../errors.ts'
import type { AppendRequest, EventToAppend, ExpectedRevision, PlannedEvent } from './events.ts'
import type { Capabilities } from './port.ts'

/** What is known of an id the caller gave before. */
export interface KnownEvent {
  readonly fingerprint: string
  readonly version: number
  readonly position: number
  readonly stream: string | null
  readonly revision: number | null
  readonly type: string
  readonly bucket: number
}

/** The end of a stream; revision 0 for one that never was. */
export interface StreamHead {
  readonly revision: number
  readonly timestamp: number
}

/** What the rules of append need to know of the log, as it is inside the writing transaction. */
export interface AppendView<Known extends KnownEvent = KnownEvent> {
  streamHead(stream: string): StreamHead
  known(id: string): Known | undefined
  hasDocument(collection: string, id: string): boolean
}

export interface AppendPlan<Known extends KnownEvent = KnownEvent> {
  /** What is to be written, in order; known events are left out. */
  readonly fresh: readonly PlannedEvent[]
  /** Ids that are known, in the order given. */
  readonly known: readonly Known[]
  readonly ids: readonly string[]
  readonly streams: readonly { readonly stream: string; readonly revision: number }[]
  /** New end of each stream that gets an event. */
  readonly heads: ReadonlyMap<string, StreamHead>
}

/**
 * The rules of append, for every engine: ids before revisions, every violation reported, dense revisions, timestamps that
 * never fall within a stream. Reads through `view`, writes nothing.
 *
 * @throws {HodisaError} `id-reused`, `partial-duplicate`, `revision-conflict`, `document-exists`; `capability-missing` for a
 *   condition of a kind that is not known
 */
export function planAppend<Known extends KnownEvent = KnownEvent>(
  request: AppendRequest,
  view: AppendView<Known>,
): AppendPlan<Known> {
  assertConditionsKnown(request)
  const known: Known[] = []
  const toWrite: EventToAppend[] = []
  const ids: string[] = []
  let seen: Map<string, string> | undefined
  for (const event of request.events) {
    ids.push(event.id)
    if (event.fingerprint === null) {
      toWrite.push(event)
      continue
    }
    seen ??= new Map()
    const twin = seen.get(event.id)
    const before = twin === undefined ? view.known(event.id) : undefined
    const first = twin ?? before?.fingerprint
    if (first === undefined) {
      seen.set(event.id, event.fingerprint)
      toWrite.push(event)
      continue
    }
    const sameVersion = before === undefined || before.version === event.version
    if (request.onReuse === 'refuse' && sameVersion && first !== event.fingerprint) {
      throw new HodisaError('id-reused', `event id ${event.id} was recorded with other content`, { id: event.id })
    }
    if (before !== undefined) known.push(before)
  }
  const duplicate = toWrite.length === 0 && request.events.length > 0
  if (!duplicate) assertConditions(request, known.length > 0, view)

  const heads = new Map<string, StreamHead>()
  const fresh = toWrite.map((event): PlannedEvent => {
    if (event.stream === null) return { event, revision: null, timestamp: event.timestamp }
    const head = heads.get(event.stream) ?? view.streamHead(event.stream)
    const next = { revision: head.revision + 1, timestamp: Math.max(head.timestamp, event.timestamp) }
    heads.set(event.stream, next)
    return { event, ...next }
  })
  return { fresh, known, ids, streams: revisionsAfter(known, heads), heads }
}

function revisionsAfter(known: readonly KnownEvent[], heads: ReadonlyMap<string, StreamHead>) {
  const after = new Map<string, number>()
  for (const { stream, revision } of known) {
    if (stream !== null && revision !== null) after.set(stream, Math.max(revision, after.get(stream) ?? 0))
  }
  for (const [stream, { revision }] of heads) after.set(stream, revision)
  return [...after].map(([stream, revision]) => ({ stream, revision }))
}

function assertConditionsKnown({ conditions }: AppendRequest): void {
  for (const { kind } of conditions) {
    if (kind !== 'expectedRevision' && kind !== 'noDocument') {
      throw new HodisaError('capability-missing', `a condition of kind ${String(kind)} is not known here`, {
        capability: `condition ${String(kind)}`,
      })
    }
  }
}

function assertConditions(request: AppendRequest, partly: boolean, view: AppendView): void {
  const violations: { stream: string; expected: ExpectedRevision; actual: number }[] = []
  for (const condition of request.conditions) {
    if (condition.kind !== 'expectedRevision') continue
    const { stream, expected } = condition
    if (expected === 'any') continue
    if (partly && typeof expected === 'number') {
      throw new HodisaError(
        'partial-duplicate',
        `some events of the batch are recorded already, so ${stream} cannot be expected at revision ${expected}`,
        { stream, expectedRevision: expected },
      )
    }
    const actual = view.streamHead(stream).revision
    const holds = expected === 'none' ? actual === 0 : expected === 'exists' ? actual > 0 : actual === expected
    if (!holds) violations.push({ stream, expected, actual })
  }
  const [first] = violations
  if (first === undefined) {
    assertNoDocuments(request, view)
    return
  }
  const text = violations.map(({ stream, expected, actual }) => `${stream} expected ${expected}, is at ${actual}`)
  throw new HodisaError('revision-conflict', text.join('; '), {
    stream: first.stream,
    expectedRevision: first.expected,
    actualRevision: first.actual,
    violations,
  })
}

function assertNoDocuments({ conditions }: AppendRequest, view: AppendView): void {
  for (const condition of conditions) {
    if (condition.kind !== 'noDocument') continue
    const { collection, id } = condition
    if (view.hasDocument(collection, id)) {
      throw new HodisaError('document-exists', `document ${id} stands in ${collection} already`, { collection, id })
    }
  }
}

/** @throws {HodisaError} `store-behind` for what stands on events that may be lost */
export function assertTimeline({ timeline }: AppendRequest, current: number): void {
  if (timeline === undefined || timeline === current) return
  const text = 'the store has lost events that it acknowledged since what this append stands on was read'
  throw new HodisaError('store-behind', text, { timeline, current })
}

/**
 * The bounds of one append.
 *
 * @throws {HodisaError} `append-too-large`, `event-too-large`
 */
export function assertSize(request: AppendRequest, limits: Capabilities): void {
  if (request.events.length > limits.maxEventsPerAppend) {
    throw new HodisaError(
      'append-too-large',
      `an append holds at most ${limits.maxEventsPerAppend} events, not ${request.events.length}`,
      { limit: limits.maxEventsPerAppend, events: request.events.length },
    )
  }
  for (const { id, type, data, metadata } of request.events) {
    // A UTF-16 unit is at most 3 bytes: only texts near the limit are measured.
    const units = data.length + (metadata?.length ?? 0)
    if (units * 3 <= limits.maxEventBytes) continue
    const bytes = Buffer.byteLength(data) + Buffer.byteLength(metadata ?? '')
    if (bytes > limits.maxEventBytes) {
      throw new HodisaError(
        'event-too-large',
        `event ${id} (${type}) has ${bytes} bytes; ${limits.maxEventBytes} are allowed`,
        { id, type, bytes, limit: limits.maxEventBytes },
      )
    }
  }
}

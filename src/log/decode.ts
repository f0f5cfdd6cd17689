import { HodisaError } from '../errors.ts'
import type { AnyEventDefinition } from '../event/definition.ts'
import type { Registry } from '../event/registry.ts'
import type { EventMetadata, NewEvent, RecordedEvent } from '../event/types.ts'
import { upcast, upcastFailed } from '../event/upcast.ts'
import { isDropped } from '../event/upcasting.ts'
import type { StoredEvent } from '../store/events.ts'
import type { Codec } from './codec.ts'
import { validateData } from './prepare.ts'

/**
 * Turns stored events into recorded ones: decoded, parsed, brought to the current type and version; a fresh copy each time. What
 * this program has no definition of, or only an older version, stays as it was recorded.
 */
export class Decoder {
  readonly #registry: Registry
  readonly #codec: Codec | undefined
  #second = Number.NaN
  #secondText = ''

  constructor(registry: Registry, codec: Codec | undefined) {
    this.#registry = registry
    this.#codec = codec
  }

  /**
   * All that the event is seen as: itself as a rule, nothing where an upcaster dropped it, several where one split it.
   * Synchronous but for data that a codec decodes asynchronously.
   */
  parts(stored: StoredEvent): readonly RecordedEvent[] | Promise<readonly RecordedEvent[]> {
    const text = this.#text(stored)
    return typeof text === 'string' ? this.#parts(stored, text) : text.then((plain) => this.#parts(stored, plain))
  }

  /** In the type and version it was recorded in: nothing that an upcaster does can go wrong. */
  asRecorded(stored: StoredEvent): RecordedEvent | Promise<RecordedEvent> {
    const text = this.#text(stored)
    const recorded = (plain: string) => this.#recorded(stored, stored, parse(stored, plain))
    return typeof text === 'string' ? recorded(text) : text.then(recorded)
  }

  /** The first of its parts; one that was dropped as it was recorded. */
  decode(stored: StoredEvent): RecordedEvent | Promise<RecordedEvent> {
    const text = this.#text(stored)
    return typeof text === 'string' ? this.#first(stored, text) : text.then((plain) => this.#first(stored, plain))
  }

  #text(stored: StoredEvent): string | Promise<string> {
    if (stored.encoding === null) return stored.data
    if (this.#codec?.name !== stored.encoding) {
      throw new HodisaError(
        'capability-missing',
        `event ${stored.id} is encoded with ${stored.encoding}, and the app has no such codec`,
        { id: stored.id, encoding: stored.encoding },
      )
    }
    return this.#codec.decode(stored.data, stored)
  }

  /** The events of a page are of few seconds: only their milliseconds are written anew. */
  #isoTime(time: number): string {
    const second = Math.floor(time / 1_000)
    if (second !== this.#second) {
      this.#second = second
      this.#secondText = new Date(second * 1_000).toISOString().slice(0, -4)
    }
    return `${this.#secondText}${String(Math.floor(time - second * 1_000)).padStart(3, '0')}Z`
  }

  #first(stored: StoredEvent, text: string): RecordedEvent {
    return this.#parts(stored, text)[0] ?? this.#recorded(stored, stored, parse(stored, text))
  }

  #parts(stored: StoredEvent, text: string): readonly RecordedEvent[] {
    const data = parse(stored, text)
    const definition = this.#registry.get(stored.type)
    if (definition === undefined || stored.version > definition.version) return [this.#recorded(stored, stored, data)]
    if (stored.version === definition.version) return [this.#recorded(stored, definition, data)]
    const { own, others } = upcast(definition, stored, data)
    const first = isDropped(own) ? [] : [this.#recorded(stored, definition, own)]
    return others.length === 0
      ? first
      : [...first, ...others.map((other, index) => this.#other(stored, definition, other, index + 2))]
  }

  /** What was split off takes the place of the recorded event, with an id of its own. */
  #other(stored: StoredEvent, from: AnyEventDefinition, event: NewEvent, number: number): RecordedEvent {
    const definition = this.#registry.get(event.type)
    if (definition === undefined) {
      throw upcastFailed(from, stored, `it is split into ${event.type}, which is not defined in this app`)
    }
    let data: unknown
    try {
      data = validateData(definition, event.data)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw upcastFailed(from, stored, `it is split into what the schema of ${event.type} refuses: ${why}`, error)
    }
    if (data instanceof Promise) {
      data.catch(() => undefined)
      throw upcastFailed(from, stored, `it is split into ${event.type}, whose schema is asynchronous`)
    }
    return this.#recorded({ ...stored, id: `${stored.id}#${number}` }, definition, data)
  }

  #recorded(
    stored: StoredEvent,
    { type, version }: { readonly type: string; readonly version: number },
    data: unknown,
  ): RecordedEvent {
    const { id, stream, revision, position } = stored
    const timestamp = this.#isoTime(stored.timestamp)
    const metadata = metadataOf(stored)
    return stream === null || revision === null
      ? { id, type, timestamp, version, data, metadata, position }
      : { id, type, timestamp, version, data, metadata, stream, revision, position }
  }
}

/** The id of the recorded event that a part has its place from; undefined for an id that no part has. */
export function recordedIdOf(id: string): string | undefined {
  return /^(.+)#\d+$/s.exec(id)?.[1]
}

function metadataOf(stored: StoredEvent): EventMetadata {
  const { correlationId, causationId, source } = stored
  if (stored.metadata === null) {
    return causationId === null ? { correlationId, source } : { correlationId, causationId, source }
  }
  const more = parse(stored, stored.metadata) as Record<string, unknown>
  return { correlationId, ...(causationId !== null && { causationId }), source, ...more }
}

function parse(stored: StoredEvent, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new HodisaError(
      'store-corrupt',
      `event ${stored.id} at position ${stored.position} holds text that is not JSON`,
      { id: stored.id, position: stored.position },
      error,
    )
  }
}

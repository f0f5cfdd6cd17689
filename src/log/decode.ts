import { HodisaError } from '../errors.ts'
import type { Registry } from '../event/registry.ts'
import type { EventMetadata, RecordedEvent } from '../event/types.ts'
import { upcast } from '../event/upcast.ts'
import type { StoredEvent } from '../store/events.ts'
import type { Codec } from './codec.ts'

/** Turns stored events into recorded ones: decoded, parsed, brought to the current version; a fresh copy each time. */
export class Decoder {
  readonly #registry: Registry
  readonly #codec: Codec | undefined
  #second = Number.NaN
  #secondText = ''

  constructor(registry: Registry, codec: Codec | undefined) {
    this.#registry = registry
    this.#codec = codec
  }

  /** Synchronous but for data that a codec decodes asynchronously. */
  decode(stored: StoredEvent): RecordedEvent | Promise<RecordedEvent> {
    if (stored.encoding === null) return this.#recorded(stored, stored.data)
    if (this.#codec?.name !== stored.encoding) {
      throw new HodisaError(
        'capability-missing',
        `event ${stored.id} is encoded with ${stored.encoding}, and the app has no such codec`,
        { id: stored.id, encoding: stored.encoding },
      )
    }
    const text = this.#codec.decode(stored.data, stored)
    return typeof text === 'string' ? this.#recorded(stored, text) : text.then((plain) => this.#recorded(stored, plain))
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

  #recorded(stored: StoredEvent, text: string): RecordedEvent {
    const data = parse(stored, text)
    const definition = this.#registry.get(stored.type)
    const known = definition !== undefined && stored.version <= definition.version
    const { id, type, stream, revision, position } = stored
    const timestamp = this.#isoTime(stored.timestamp)
    const version = known ? definition.version : stored.version
    const current = known && stored.version < definition.version ? upcast(definition, stored, data) : data
    const metadata = metadataOf(stored)
    return stream === null || revision === null
      ? { id, type, timestamp, version, data: current, metadata, position }
      : { id, type, timestamp, version, data: current, metadata, stream, revision, position }
  }
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

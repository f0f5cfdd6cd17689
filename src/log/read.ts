import { HodisaError } from '../errors.ts'
import { assertOptions, assertTexts, invalidOption } from '../event/input.ts'
import { assertStream } from '../event/names.ts'
import { parsePattern } from '../event/pattern.ts'
import type { Registry } from '../event/registry.ts'
import type { RecordedEvent } from '../event/types.ts'
import type { StoredEvent } from '../store/events.ts'
import type { LogFilter, Store } from '../store/port.ts'
import { type Decoder, recordedIdOf } from './decode.ts'
import { readAhead } from './read-ahead.ts'

/** A place in the log: a position, the start, the end, or a time (the store's clock). */
export type LogPlace = number | 'start' | 'now' | Date

export interface ReadOptions {
  /** First position, inclusive, or a time, or `'start'` (default). In a stream: the first revision. */
  readonly from?: LogPlace
  /** Last position, inclusive, or a time. In a stream: the last revision. */
  readonly to?: number | Date
  /** Types or patterns; any of them may match. */
  readonly types?: string | readonly string[]
  /** The events of one stream, by revision. */
  readonly stream?: string
  readonly correlationId?: string
  readonly causationId?: string
  /** At most so many events. */
  readonly limit?: number
  /** From the end to the start. */
  readonly backwards?: boolean
}

export interface TailOptions extends Omit<ReadOptions, 'to' | 'backwards' | 'stream' | 'limit'> {
  /** Ends the tail. */
  readonly signal?: AbortSignal
}

const PAGE = 500
/** Ms. */
const POLL_EVERY = 1_000

/** Reads the log in pages, so that memory stays flat however long it is. */
export class LogReader {
  readonly #store: Store
  readonly #decoder: Decoder
  readonly #registry: Registry
  readonly #over = new AbortController()

  constructor(store: Store, decoder: Decoder, registry: Registry) {
    this.#store = store
    this.#decoder = decoder
    this.#registry = registry
  }

  /** The event with this id; undefined where there is none, and for one that an upcaster dropped. */
  async get(id: string): Promise<RecordedEvent | undefined> {
    const own = await this.#parts(id)
    const from = recordedIdOf(id)
    const parts = own.length > 0 || from === undefined ? own : await this.#parts(from)
    return parts.find((part) => part.id === id)
  }

  async #parts(id: string): Promise<readonly RecordedEvent[]> {
    const [stored] = await this.#store.byIds([id])
    return stored === undefined ? [] : this.#decoder.parts(stored)
  }

  /** Ends at the head. */
  async *read(options: ReadOptions = {}): AsyncGenerator<RecordedEvent, void, undefined> {
    assertReadOptions(options)
    const events = options.stream === undefined ? this.#log(options) : this.#stream(options.stream, options)
    let left = options.limit ?? Number.POSITIVE_INFINITY
    if (left === 0) return
    const wanted = this.#partsWanted(options)
    for await (const stored of events) {
      const parts = wanted(stored, await this.#decoder.parts(stored))
      for (const event of options.backwards ? parts.toReversed() : parts) {
        yield event
        if (--left <= 0) return
      }
    }
  }

  /** Ends all tails. */
  end(): void {
    this.#over.abort()
  }

  /** Goes on at the head until its signal aborts, or the app stops. From now on by default. */
  async *tail(options: TailOptions = {}): AsyncGenerator<RecordedEvent, void, undefined> {
    assertReadOptions(options)
    const { from = 'now' } = options
    const over = this.#over.signal
    if (over.aborted) throw new HodisaError('app-stopped', 'the app was stopped: it reads no more')
    const signal = options.signal === undefined ? over : AbortSignal.any([over, options.signal])
    const filter = this.#filterOf(options)
    const wanted = this.#partsWanted(options)
    let after = await positionBefore(this.#store, from)
    let wake = Promise.withResolvers<void>()
    let lost: HodisaError | undefined
    const rouse = () => wake.resolve()
    const ended = () => signal.aborted
    const unwatch = this.#store.watch(({ behind, head = 0 }) => {
      if (behind && head < after) lost = fellBehind(after, head)
      rouse()
    })
    // Hints may be lost; and who reads on wants the program to go on.
    const polling = setInterval(rouse, POLL_EVERY)
    signal.addEventListener('abort', rouse)
    try {
      while (!ended()) {
        const page = await this.#store.readLog({ ...filter, after, limit: PAGE })
        if (lost !== undefined) throw lost
        for (const stored of page.events) {
          if (ended()) return
          yield* wanted(stored, await this.#decoder.parts(stored))
        }
        after = page.scanned
        if (page.end) {
          await wake.promise
          wake = Promise.withResolvers()
        }
      }
    } catch (error) {
      if (!over.aborted) throw error // a read that the closing store refuses is the end, too
    } finally {
      clearInterval(polling)
      unwatch()
      signal.removeEventListener('abort', rouse)
    }
  }

  async *#log(options: ReadOptions): AsyncGenerator<StoredEvent, void, undefined> {
    const { from = 'start', to, backwards = false } = options
    const filter = this.#filterOf(options)
    const limit = options.limit ?? Number.POSITIVE_INFINITY
    const after = await positionBefore(this.#store, from)
    const until = to instanceof Date ? await this.#store.positionAt(to.getTime()) : (to ?? (await this.#store.head()))
    if (until <= after) return
    const pages = readAhead(
      { after, until },
      (range) => this.#store.readLog({ ...filter, ...range, backwards, limit: Math.min(PAGE, limit) }),
      ({ end, scanned }) => {
        const range = backwards ? { after, until: scanned - 1 } : { after: scanned, until }
        return end || range.until <= range.after ? undefined : range
      },
      limit > PAGE,
    )
    for await (const page of pages) yield* page.events
  }

  async *#stream(stream: string, options: ReadOptions): AsyncGenerator<StoredEvent, void, undefined> {
    const { backwards = false, limit = Number.POSITIVE_INFINITY } = options
    const matches = matcherOf(this.#filterOf(options))
    const from = typeof options.from === 'number' ? options.from : 1
    const to = typeof options.to === 'number' ? options.to : Number.MAX_SAFE_INTEGER
    const recordedUntil = options.to instanceof Date ? { recordedUntil: options.to.getTime() } : {}
    const recordedFrom = options.from instanceof Date ? options.from.getTime() : 0
    if (options.from === 'now') return
    const pages = readAhead(
      { from, to },
      (range) =>
        this.#store.readStream({ stream, ...range, backwards, limit: Math.min(PAGE, limit), ...recordedUntil }),
      (page) => {
        const last = page.at(-1)?.revision
        if (last === undefined || last === null || page.length < Math.min(PAGE, limit)) return undefined
        return backwards ? { from, to: last - 1 } : { from: last + 1, to }
      },
      limit > PAGE,
    )
    for await (const page of pages) {
      for (const stored of page) if (stored.recordedAt >= recordedFrom && matches(stored)) yield stored
    }
  }

  /** What the store is asked for: an event answers to its type, and to the types it was recorded as. */
  #filterOf({ types, correlationId, causationId }: ReadOptions) {
    return {
      ...(types !== undefined && { types: this.#registry.recordedAs([types].flat()) }),
      ...(correlationId !== undefined && { correlationId }),
      ...(causationId !== undefined && { causationId }),
    }
  }

  /** Of an event that was split, the parts whose types are wanted; the event itself was found by the store. */
  #partsWanted({ types }: ReadOptions) {
    const patterns = types === undefined ? undefined : [types].flat().map(parsePattern)
    return ({ id }: StoredEvent, parts: readonly RecordedEvent[]): readonly RecordedEvent[] =>
      patterns === undefined
        ? parts
        : parts.filter((part) => part.id === id || patterns.some((pattern) => pattern.matches(part.type)))
  }
}

/** The last position before a place: after it, the place begins. */
export async function positionBefore(store: Store, place: LogPlace): Promise<number> {
  if (place === 'start') return 0
  if (place === 'now') return store.head()
  if (place instanceof Date) return store.positionAt(place.getTime() - 1)
  return Math.max(0, place - 1)
}

function fellBehind(position: number, head: number): HodisaError {
  const text = `the store has lost what it acknowledged, from position ${head + 1} on; this was read up to ${position}`
  return new HodisaError('store-behind', text, { position, head })
}

function matcherOf({ types, correlationId, causationId }: LogFilter): (stored: StoredEvent) => boolean {
  const patterns = types?.map(parsePattern)
  return (stored) =>
    (patterns === undefined || patterns.some((pattern) => pattern.matches(stored.type))) &&
    (correlationId === undefined || stored.correlationId === correlationId) &&
    (causationId === undefined || stored.causationId === causationId)
}

function assertReadOptions(options: ReadOptions & TailOptions): void {
  const refuse = (option: string, rule: string) => {
    throw new HodisaError('invalid-option', `${option} must be ${rule}`, { option })
  }
  assertOptions('read', options)
  assertTexts(options, ['correlationId', 'causationId'])
  const { from, to, limit, stream, types, backwards, signal } = options
  if (backwards !== undefined && typeof backwards !== 'boolean') refuse('backwards', 'true or false')
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw invalidOption('signal', 'must be an AbortSignal', signal)
  for (const [name, place] of Object.entries({ from, to })) {
    if (place === undefined || (name === 'from' && (place === 'start' || place === 'now'))) continue
    const fine =
      place instanceof Date ? !Number.isNaN(place.getTime()) : Number.isSafeInteger(place) && Number(place) >= 0
    if (!fine) refuse(name, 'a place from 0, a valid Date, or (from only) "start" or "now"')
  }
  if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 0)) refuse('limit', 'an integer from 0')
  if (stream !== undefined) assertStream(stream)
  if (types !== undefined) for (const type of [types].flat()) parsePattern(type)
}

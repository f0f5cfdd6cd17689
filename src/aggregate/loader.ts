import { deepFreeze } from '../event/frozen.ts'
import type { RecordedEvent } from '../event/types.ts'
import type { Decoder } from '../log/decode.ts'
import { readAhead } from '../log/read-ahead.ts'
import type { StoredEvent } from '../store/events.ts'
import type { Store } from '../store/port.ts'
import type { BoundAggregate, Standing } from './bound.ts'
import type { Snapshots } from './snapshots.ts'
import type { AggregateEvent } from './types.ts'

/** Events of one read. */
const PAGE = 500

/** One aggregate of a kind. */
export interface Subject {
  readonly bound: BoundAggregate
  readonly id: string
  readonly stream: string
}

/** Up to where a stream is read; to its end by default. */
interface Bounds {
  /** Last revision, inclusive. */
  readonly to?: number
}

/** Puts states together from events, from as near as one is known. */
export class Loader {
  readonly #store: Store
  readonly #decoder: Decoder
  readonly #snapshots: Snapshots

  constructor(store: Store, decoder: Decoder, snapshots: Snapshots) {
    this.#store = store
    this.#decoder = decoder
    this.#snapshots = snapshots
  }

  /** As the store has it now. */
  async current({ bound, stream }: Subject): Promise<Standing> {
    const standing = await this.#onOneTimeline((timeline) => {
      const recent = bound.states.get(stream, timeline)
      return recent === undefined ? this.#fromSnapshot(bound, stream) : this.#read(bound, stream, recent)
    })
    bound.states.put(stream, standing)
    this.#snapshots.consider(bound, stream, standing)
    return standing
  }

  /** As of a revision; the newest where the stream has not come so far. */
  at({ bound, stream }: Subject, to: number): Promise<Standing> {
    return this.#onOneTimeline((timeline) => {
      const recent = bound.states.get(stream, timeline)
      if (recent !== undefined && recent.revision <= to) return this.#read(bound, stream, recent, { to })
      return this.#fromSnapshot(bound, stream, { to })
    })
  }

  /** The store's, as of now. */
  get timeline(): number {
    return this.#store.timeline ?? 0
  }

  /** What was read before the store was found to have lost events does not go with what is read after. */
  async #onOneTimeline(read: (timeline: number) => Promise<Standing>): Promise<Standing> {
    for (;;) {
      const timeline = this.timeline
      const standing = await read(timeline)
      if (timeline === this.timeline) return { ...standing, timeline }
    }
  }

  /** The last revision that was recorded by a time, ms since 1970. */
  async revisionAt({ stream }: Pick<Subject, 'stream'>, time: number): Promise<number> {
    const [last] = await this.#store.readStream({ stream, recordedUntil: time, backwards: true, limit: 1 })
    return last?.revision ?? 0
  }

  async #fromSnapshot(bound: BoundAggregate, stream: string, bounds: Bounds = {}): Promise<Standing> {
    const { to = Number.POSITIVE_INFINITY } = bounds
    const snapshot = await this.#snapshots.read(bound, stream)
    if (snapshot === undefined || snapshot.revision > to) return this.#read(bound, stream, bound.start, bounds)
    // Its own last event is read with what follows: one that is not the log's is of no use.
    const [last, ...page] = await this.#page(stream, snapshot.revision, to)
    if (last?.id !== snapshot.event || last.revision !== snapshot.revision) {
      this.#snapshots.refuse(bound, stream, 'it is not of this log')
      return this.#read(bound, stream, bound.start, bounds)
    }
    const { state, revision, event } = snapshot
    const standing = { state, revision, event, timestamp: last.timestamp, snapshot: revision, timeline: 0 }
    if (page.length + 1 < PAGE) return this.#fold(bound, standing, page)
    return this.#read(bound, stream, await this.#fold(bound, standing, page), bounds)
  }

  /** What follows a state, page by page. */
  async #read(bound: BoundAggregate, stream: string, from: Standing, { to }: Bounds = {}): Promise<Standing> {
    let standing = from
    if (to !== undefined && standing.revision >= to) return standing
    const pages = readAhead(
      standing.revision + 1,
      (revision) => this.#page(stream, revision, to),
      (page) => {
        const last = page.length < PAGE ? undefined : page.at(-1)?.revision
        return last === undefined || last === null || last === to ? undefined : last + 1
      },
    )
    for await (const page of pages) standing = await this.#fold(bound, standing, page)
    return standing
  }

  #page(stream: string, from: number, to = Number.POSITIVE_INFINITY): Promise<readonly StoredEvent[]> {
    return this.#store.readStream({
      stream,
      from,
      limit: PAGE,
      ...(to !== Number.POSITIVE_INFINITY && { to }),
    })
  }

  async #fold(bound: BoundAggregate, from: Standing, page: readonly StoredEvent[]): Promise<Standing> {
    const last = page.at(-1)
    if (last === undefined) return from
    let { state } = from
    for (const stored of page) {
      if (!bound.takes(stored)) continue
      const parts = this.#decoder.parts(stored)
      for (const part of parts instanceof Promise ? await parts : parts) state = bound.after(state, inStream(part))
    }
    const { id, revision, timestamp } = last
    const { snapshot, timeline } = from
    return { state: deepFreeze(state), revision: revision ?? 0, timestamp, event: id, snapshot, timeline }
  }
}

/** As `evolve` gets it, when it is read as well as when it is about to be recorded. */
export function inStream(event: Omit<RecordedEvent, 'position'>): AggregateEvent {
  const { id, type, timestamp, version, data, metadata, stream = '', revision = 0 } = event
  return { id, type, timestamp, version, data, metadata, stream, revision }
}

import { HodisaError } from '../errors.ts'
import type { Registry } from '../event/registry.ts'
import type { Decoder } from '../log/decode.ts'
import type { DocumentWrite } from '../store/documents.ts'
import type { StoredEvent } from '../store/events.ts'
import type { Store } from '../store/port.ts'
import { applyAll } from './apply.ts'
import { typesOf } from './declare.ts'
import type { DefinedProjection } from './definition.ts'
import { getInChunks, type ViewDocuments } from './documents.ts'
import { Draft } from './draft.ts'
import type { ProjectedEvent } from './types.ts'

const PAGE = 1_000

export interface BuilderHost {
  readonly store: Store
  readonly registry: Registry
  readonly decoder: Decoder
}

/** Writes documents, and that the build has come to a position with them, from `before`. */
export type SaveStep = (writes: readonly DocumentWrite[], position: number, before: number) => Promise<void>

/** Makes the documents of a projection from the log, in a collection that nobody else writes. */
export class Builder {
  readonly #host: BuilderHost
  readonly #projection: DefinedProjection
  readonly #documents: ViewDocuments
  readonly #collection: string
  readonly #types: readonly string[]
  readonly #save: SaveStep
  /** Everything at or below is in the documents. */
  position: number
  /** Events taken in by this run. */
  events = 0

  constructor(
    host: BuilderHost,
    {
      projection,
      documents,
      collection,
      position,
      save,
    }: {
      readonly projection: DefinedProjection
      readonly documents: ViewDocuments
      readonly collection: string
      readonly position: number
      readonly save: SaveStep
    },
  ) {
    this.#host = host
    this.#projection = projection
    this.#documents = documents
    this.#collection = collection
    this.#types = typesOf(projection, host.registry)
    this.#save = save
    this.position = position
  }

  /** Goes on to the end of the log as it is now. @throws {HodisaError} `rebuild-failed`, naming the event */
  async toHead(stepped: (head: number) => void, signal?: AbortSignal): Promise<void> {
    const head = await this.#host.store.head()
    while (this.position < head) {
      signal?.throwIfAborted()
      const query = { after: this.position, until: head, types: this.#types, limit: PAGE }
      const { events, scanned, end } = await this.#host.store.readLog(query)
      await this.#takeIn(events, end ? head : scanned)
      stepped(head)
    }
  }

  async #takeIn(events: readonly StoredEvent[], position: number): Promise<void> {
    let writes: readonly DocumentWrite[]
    try {
      writes = await this.#writesFor(events)
    } catch (error) {
      const [first, ...rest] = events
      if (first === undefined || isOwn(error)) throw error
      if (rest.length === 0) throw failed(this.#projection, first, error)
      // Halved until the event that fails is by itself: what stands before it is kept.
      const middle = Math.ceil(events.length / 2)
      const [before, behind] = [events.slice(0, middle), events.slice(middle)]
      await this.#takeIn(before, before.at(-1)?.position ?? this.position)
      await this.#takeIn(behind, position)
      return
    }
    await this.#save(writes, position, this.position)
    this.position = position
    this.events += events.length
  }

  async #writesFor(events: readonly StoredEvent[]): Promise<readonly DocumentWrite[]> {
    const get = (ids: readonly string[]) => this.#host.store.documents.get(this.#collection, ids)
    const draft = new Draft(async (ids) => this.#documents.decodeAll(await getInChunks(get, ids)))
    const projected: ProjectedEvent[] = []
    for (const stored of events) {
      if (!this.#host.registry.canRead(stored.type, stored.version)) {
        throw new Error(`version ${stored.version} of ${stored.type} is newer than this program knows`)
      }
      projected.push(...(await this.#host.decoder.parts(stored)))
    }
    await applyAll(this.#projection, this.#host.registry, projected, draft)
    return this.#documents.writes(this.#collection, await draft.finish())
  }
}

/** Nothing about an event: the store, or another run. */
function isOwn(error: unknown): boolean {
  if (error instanceof Error && error.name === 'AbortError') return true
  return (
    error instanceof HodisaError &&
    (error.code.startsWith('store-') || error.code === 'rebuild-taken-over' || error.code === 'rebuild-failed')
  )
}

function failed(
  { id: projection }: DefinedProjection,
  { id, type, position }: StoredEvent,
  error: unknown,
): HodisaError {
  const why = error instanceof Error ? error.message : String(error)
  return new HodisaError(
    'rebuild-failed',
    `projection ${projection}: ${type} ${id} at position ${position} fails: ${why}`,
    { projection, event: { id, type, position } },
    error,
  )
}

import { HodisaError, isHodisaError } from '../errors.ts'
import { anyOf, parsePattern } from '../event/pattern.ts'
import type { Registry } from '../event/registry.ts'
import type { Codec } from '../log/codec.ts'
import type { Decoder } from '../log/decode.ts'
import type { AppendRequest, EventToAppend, InlineTransaction, PlannedEvent } from '../store/events.ts'
import type { Clock, Store } from '../store/port.ts'
import { applyAll } from './apply.ts'
import { declare, typesOf } from './declare.ts'
import type { DefinedProjection } from './definition.ts'
import { ViewDocuments } from './documents.ts'
import { Draft } from './draft.ts'
import {
  collectionOf,
  inlineNameOf,
  keepRegistered,
  readRebuildIn,
  rebuildWrite,
  type ViewState,
  ViewStates,
} from './state.ts'
import type { ProjectedEvent } from './types.ts'

/** How long a writer waits for a rebuild to take its last steps, and how often it looks. Ms. */
const FENCE_WAIT = 10_000
const FENCE_LOOK = 20
/** A rebuild that stands still for so long by a writer's own clock is dead: what it has registered is taken away. Ms. */
export const FENCE_LIFE = 30_000

export interface InlineHost {
  readonly store: Store
  readonly registry: Registry
  readonly decoder: Decoder
  readonly codec: Codec | undefined
  readonly clock: Clock
}

type Touched = Map<DefinedProjection, readonly string[]>

interface Active {
  readonly projection: DefinedProjection
  readonly state: ViewState
  readonly documents: ViewDocuments
  readonly name: string
  covers(type: string): boolean
}

/** The projections of an app that are written in the transaction of each append. */
export class InlineProjections {
  readonly #host: InlineHost
  readonly #states: ViewStates
  readonly #projections = new Set<DefinedProjection>()
  /** By append: which documents it needed when it was tried before. */
  readonly #touched = new WeakMap<AppendRequest, Touched>()
  /** Names that are in the way and not those of a current view, and since when by the own clock. */
  readonly #inTheWay = new Map<string, number>()
  #covers: (type: string) => boolean = () => false
  #active: readonly Active[] | undefined
  #activating: Promise<readonly Active[]> | undefined

  constructor(host: InlineHost) {
    this.#host = host
    this.#states = new ViewStates(host.store)
  }

  add(projection: DefinedProjection): void {
    this.#projections.add(projection)
    this.#covers = anyOf([...this.#projections].flatMap((one) => typesOf(one, this.#host.registry)).map(parsePattern))
    this.#active = undefined
  }

  get isEmpty(): boolean {
    return this.#projections.size === 0
  }

  /** Resolves when `attachNow` works. */
  async ready(): Promise<void> {
    if (!this.isEmpty) await this.#activate()
  }

  /** With the work that the events of an append need. Synchronous where nothing must be read or decoded first. */
  attach(request: AppendRequest): AppendRequest | Promise<AppendRequest> {
    if (!request.events.some(({ type }) => this.#covers(type))) return request
    const active = this.#active
    return active === undefined
      ? this.#activate().then((now) => this.#attached(request, now))
      : this.#attached(request, active)
  }

  /** @throws {HodisaError} `async-schema` where the codec is asynchronous. */
  attachNow(request: AppendRequest): AppendRequest {
    const attached = this.attach(request)
    if (!(attached instanceof Promise)) return attached
    attached.catch(() => undefined) // its outcome is of no use: the call is refused
    throw new HodisaError('async-schema', 'an inline projection cannot wait for an asynchronous codec here', {})
  }

  /**
   * Whether to try a refused append again: the view was built anew, and the writer goes on with what it is now.
   */
  async refused(error: unknown, since: number): Promise<boolean> {
    const { clock } = this.#host
    if (clock.monotonic() - since > FENCE_WAIT) return false
    // Two that waited for each other's documents; or projections were registered in the midst of an append.
    if (isHodisaError(error, 'store-busy')) return true
    if (!isHodisaError(error, 'inline-missing')) return false
    const name = String(error.details.projection)
    const projection = [...this.#projections].find((one) => name.startsWith(`${one.id} `))
    if (projection === undefined) return false
    this.#active = undefined
    const state = await this.#states.read(projection)
    if (state === undefined || name === inlineNameOf(state)) return true
    const seen = this.#inTheWay.get(name) ?? clock.monotonic()
    this.#inTheWay.set(name, seen)
    if (clock.monotonic() - seen > FENCE_LIFE) await this.#giveUp(projection, inlineNameOf(state))
    else await new Promise<void>((resolve) => clock.after(FENCE_LOOK, resolve))
    return true
  }

  /** Ends a rebuild that stands still in its last steps: it finds its run taken over should it go on. */
  async #giveUp(projection: DefinedProjection, current: string): Promise<void> {
    const { store } = this.#host
    await store.transaction(async (tx) => {
      const rebuild = await readRebuildIn(tx.documents, projection)
      if (rebuild !== undefined) await tx.documents.write([rebuildWrite(projection, { ...rebuild, run: 'given up' })])
    })
    await keepRegistered(store, projection, current)
    this.#inTheWay.clear()
  }

  #activate(): Promise<readonly Active[]> {
    this.#activating ??= this.#declared().finally(() => {
      this.#activating = undefined
    })
    return this.#activating
  }

  async #declared(): Promise<readonly Active[]> {
    const { store, registry, codec } = this.#host
    const active: Active[] = []
    for (const projection of this.#projections) {
      const state = await declare(store, this.#states, projection, registry)
      const covers = anyOf(typesOf(projection, registry).map(parsePattern))
      const documents = new ViewDocuments(projection, codec)
      active.push({ projection, state, documents, name: inlineNameOf(state), covers })
    }
    this.#active = active
    return active
  }

  #attached(request: AppendRequest, active: readonly Active[]): AppendRequest | Promise<AppendRequest> {
    const texts = new Map<string, string>()
    const touched: Touched = this.#touched.get(request) ?? new Map()
    this.#touched.set(request, touched)
    const decoding = request.events.flatMap((event) => {
      const text = this.#plain(event)
      if (typeof text === 'string') texts.set(event.id, text)
      return text instanceof Promise ? [text.then((plain) => texts.set(event.id, plain))] : []
    })
    const attached: AppendRequest = {
      ...request,
      inline: {
        projections: active.map(({ name }) => name),
        run: async (fresh, tx) => {
          for (const one of active) await this.#run(one, fresh, { texts, touched }, tx)
        },
      },
    }
    return decoding.length === 0 ? attached : Promise.all(decoding).then(() => attached)
  }

  /** Decoded before the transaction, in which nothing else may be awaited. */
  #plain(event: EventToAppend): string | Promise<string> {
    const { codec } = this.#host
    if (event.encoding === null || codec?.name !== event.encoding || !this.#covers(event.type)) return event.data
    return codec.decode(event.data, event)
  }

  async #run(
    { projection, state, documents, covers }: Active,
    fresh: readonly PlannedEvent[],
    { texts, touched }: { readonly texts: ReadonlyMap<string, string>; readonly touched: Touched },
    tx: InlineTransaction,
  ): Promise<void> {
    const covered = fresh.filter(({ event }) => covers(event.type))
    if (covered.length === 0) return
    const collection = collectionOf(state)
    const events = covered.flatMap((one) => this.#projected(one, texts))
    const draft = new Draft(
      async (ids) => documents.decodeAll(await tx.documents.get(collection, ids.toSorted())),
      tx.sql,
    )
    try {
      // What it needed when it was tried before is locked at once, and in one order by all.
      await draft.expect(touched.get(projection) ?? [])
      await applyAll(projection, this.#host.registry, events, draft)
    } finally {
      touched.set(projection, draft.ids)
    }
    await tx.documents.write(await documents.writes(collection, await draft.finish()))
  }

  #projected(
    { event, revision, timestamp }: PlannedEvent,
    texts: ReadonlyMap<string, string>,
  ): readonly ProjectedEvent[] {
    const data = texts.get(event.id) ?? event.data
    const stored = { ...event, data, encoding: null, revision, timestamp, position: 0, recordedAt: timestamp }
    const parts = this.#host.decoder.parts(stored)
    return parts instanceof Promise ? [] : parts.map(({ position: _, ...projected }) => projected)
  }
}

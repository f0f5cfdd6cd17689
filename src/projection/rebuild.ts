import { HodisaError } from '../errors.ts'
import type { Codec } from '../log/codec.ts'
import type { DocumentWrite } from '../store/documents.ts'
import type { Clock } from '../store/port.ts'
import { Builder, type BuilderHost } from './builder.ts'
import { lastOf, typesOf } from './declare.ts'
import type { DefinedProjection } from './definition.ts'
import { ViewDocuments } from './documents.ts'
import { FENCE_LIFE } from './inline.ts'
import { Meter, type RebuildProgress } from './meter.ts'
import {
  collectionOf,
  fenceNameOf,
  inlineNameOf,
  keepRegistered,
  type RebuildState,
  readIn,
  readRebuildIn,
  rebuildWrite,
  stateWrite,
  type ViewState,
  type ViewStates,
} from './state.ts'

export interface RebuildHost extends BuilderHost {
  readonly codec: Codec | undefined
  readonly clock: Clock
  readonly states: ViewStates
  /** Another one each time. */
  readonly newRun: () => string
}

export interface BuildOptions {
  readonly onProgress?: (progress: RebuildProgress) => void
  readonly signal?: AbortSignal
  readonly fresh?: boolean
}

/** How often the view may run away while the last step is made. */
const MOST_TRIES = 1_000

/**
 * Builds a view anew beside the current one, and puts it in its place. What it has done is kept: a run that was ended, however, is
 * gone on with by the next.
 */
export class Rebuild {
  readonly #host: RebuildHost
  readonly #projection: DefinedProjection
  readonly #documents: ViewDocuments
  readonly #options: BuildOptions
  readonly #types: readonly string[]

  constructor(host: RebuildHost, projection: DefinedProjection, options: BuildOptions) {
    this.#host = host
    this.#projection = projection
    this.#documents = new ViewDocuments(projection, host.codec)
    this.#options = options
    this.#types = typesOf(projection, host.registry)
  }

  /**
   * @param compare called with both collections before the swap
   * @throws {HodisaError} `rebuild-failed`, `rebuild-taken-over`
   */
  async run(
    compare?: (build: Build) => Promise<void>,
  ): Promise<{ readonly events: number; readonly position: number }> {
    const { states } = this.#host
    await states.ready()
    const { current, rebuild } = await this.#claim()
    const builder = this.#builder(rebuild)
    const meter = new Meter(this.#host.clock, builder, this.#options.onProgress)
    const catchUp = () => builder.toHead((head) => meter.tell(head), this.#options.signal)
    meter.tell(await this.#host.store.head())
    await catchUp()
    if (compare !== undefined && current !== undefined) {
      const collection = this.#collectionOf(rebuild)
      await compare({ builder, before: collectionOf(current), after: collection, catchUp })
    }
    for (let tries = 1; !(await this.#swap(builder, rebuild, catchUp)); tries++) {
      if (tries >= MOST_TRIES)
        throw new HodisaError(
          'timeout',
          `projection ${this.#projection.id} takes in events quicker than they can be caught up with`,
          {},
        )
      await catchUp()
    }
    const { name, version } = this.#projection
    const replaced = current ?? { name, version, generation: 1 } // by then there may be one
    await this.#host.store.documents.drop(collectionOf(replaced))
    return { events: builder.events, position: builder.position }
  }

  /** Goes on with what another run has left, where it was building the same. No generation is used twice. */
  async #claim(): Promise<{ current: ViewState | undefined; rebuild: RebuildState }> {
    const { store, states, clock, newRun, registry } = this.#host
    const shape = this.#projection.shape(registry)
    const code = this.#projection.code(registry)
    for (;;) {
      const current = await states.read(this.#projection)
      const before = await states.readRebuild(this.#projection)
      const newest = Math.max(current?.generation ?? 1, before?.generation ?? 1)
      const fresh = { generation: newest + 1, shape, code, position: 0, startedAt: clock.now() }
      // What handlers have made that were corrected since is not gone on with.
      const resumed = before?.shape === shape && before.code === code && this.#options.fresh !== true
      const rebuild: RebuildState = { ...(resumed ? before : fresh), run: newRun() }
      const { result: claimed } = await store.transaction(async (tx) => {
        const now = await readIn(tx.documents, this.#projection)
        const running = await readRebuildIn(tx.documents, this.#projection)
        const same = running?.run === before?.run && running?.position === before?.position
        if (!same || now?.generation !== current?.generation) return false
        await tx.documents.write([rebuildWrite(this.#projection, rebuild)])
        return true
      })
      if (!claimed) continue
      await store.documents.define({ name: this.#collectionOf(rebuild), indexes: this.#projection.indexes })
      if (before !== undefined && before.generation !== rebuild.generation) {
        await store.documents.drop(this.#collectionOf(before))
      }
      return { current, rebuild }
    }
  }

  #builder(rebuild: RebuildState): Builder {
    return new Builder(this.#host, {
      projection: this.#projection,
      documents: this.#documents,
      collection: this.#collectionOf(rebuild),
      position: rebuild.position,
      save: (writes, position, before) => this.#save({ ...rebuild, position }, writes, before),
    })
  }

  async #save(rebuild: RebuildState, writes: readonly DocumentWrite[], before: number): Promise<void> {
    await this.#host.store.transaction(async (tx) => {
      const found = await readRebuildIn(tx.documents, this.#projection)
      if (found?.run !== rebuild.run || found.position !== before) throw this.#takenOver()
      await tx.documents.write([...writes, rebuildWrite(this.#projection, rebuild)])
    })
  }

  /** Puts the new view in the place of the current one. False where that one has taken in more. */
  async #swap(builder: Builder, rebuild: RebuildState, catchUp: () => Promise<void>): Promise<boolean> {
    if (!this.#projection.inline) return this.#put(builder.position, rebuild)
    const { store, clock } = this.#host
    const fence = fenceNameOf(this.#projection, rebuild.run)
    const since = clock.monotonic()
    const own = inlineNameOf({ ...this.#projection, generation: rebuild.generation })
    // From here on nobody records events of the view.
    await store.inline({ name: fence, types: this.#types })
    try {
      await catchUp()
      if ((await lastOf(store, this.#types)) > builder.position) return false
      if (clock.monotonic() - since > FENCE_LIFE / 2) return false
      await store.inline({ name: own, types: this.#types })
      // Refused where writers have given this run up meanwhile.
      await this.#put(builder.position, rebuild)
      await keepRegistered(store, this.#projection, own)
      return true
    } finally {
      await store.inline({ name: fence, types: [] })
    }
  }

  async #put(position: number, rebuild: RebuildState): Promise<boolean> {
    const { name, version, inline } = this.#projection
    const { generation, shape } = rebuild
    const { result } = await this.#host.store.transaction(async (tx) => {
      const mine = await readRebuildIn(tx.documents, this.#projection)
      if (mine?.run !== rebuild.run) throw this.#takenOver()
      const current = await readIn(tx.documents, this.#projection)
      if (current !== undefined && current.position > position) return false
      const base = this.#projection.partition !== undefined && { base: position }
      const state: ViewState = { name, version, inline, shape, generation, position, goal: 0, blocked: null, ...base }
      await tx.documents.write([stateWrite(state), rebuildWrite(this.#projection, null)])
      return true
    })
    return result
  }

  #collectionOf({ generation }: Pick<RebuildState, 'generation'>): string {
    const { name, version } = this.#projection
    return collectionOf({ name, version, generation })
  }

  #takenOver(): HodisaError {
    return new HodisaError('rebuild-taken-over', `another run goes on with the rebuild of ${this.#projection.id}`, {
      projection: this.#projection.id,
    })
  }
}

/** A view that was built beside the current one, ready to be compared. */
export interface Build {
  readonly builder: Builder
  readonly before: string
  readonly after: string
  /** Takes in what was recorded since. */
  catchUp(): Promise<void>
}

import { livingIds } from '../delivery/living.ts'
import { PROJECTION } from '../delivery/one-lane.ts'
import { HodisaError } from '../errors.ts'
import { assertFunction, assertOptions } from '../event/input.ts'
import type { GroupState } from '../store/groups.ts'
import { Builder } from './builder.ts'
import { differences, differing, type ViewDifference } from './compare.ts'
import { type DefinedProjection, definedBy } from './definition.ts'
import { ViewDocuments } from './documents.ts'
import { Meter, type RebuildProgress } from './meter.ts'
import { type Build, type BuildOptions, Rebuild, type RebuildHost } from './rebuild.ts'
import {
  type Blocked,
  collectionOf,
  idOf,
  isParallel,
  reached,
  rebuildWrite,
  VIEWS,
  type ViewName,
  type ViewState,
} from './state.ts'
import type { Projection } from './types.ts'

/** A version of a projection as the store knows it. */
export interface ProjectionStatus {
  readonly projection: string
  readonly version: number
  /** `inline`: written with the events, by whoever records them. `parallel`: by `partition`. */
  readonly mode: 'async' | 'parallel' | 'inline'
  /** `building`: it has not taken in yet what stood in the log when it was first declared. */
  readonly state: 'running' | 'building' | 'retrying' | 'blocked' | 'paused' | 'down' | 'inline'
  /** Everything at or below is in the view. */
  readonly position: number
  /** Positions between it and the head: an upper bound of the events to come. */
  readonly lag: number
  readonly documents: number
  /** What it does not get past. */
  readonly blocked?: Omit<Blocked, 'state'>
  /** A rebuild that has begun, running or not. */
  readonly rebuild?: { readonly position: number; readonly startedAt: number }
}

export interface RebuildOptions {
  /** Called as it goes on. */
  readonly onProgress?: (progress: RebuildProgress) => void
  /** Called before the swap for each document that will be another one. */
  readonly onDifference?: (difference: ViewDifference) => void | Promise<void>
  /** Ends it; the next run goes on from there. */
  readonly signal?: AbortSignal
  /**
   * Begins anew, whatever another run has left. That is so in any case where a handler or an upcaster has been changed since; say it
   * where what they call was.
   */
  readonly fresh?: boolean
}

export interface RebuildResult {
  /** Events taken in by this run. */
  readonly events: number
  readonly documents: number
  /** Documents that are other ones now; counted with `onDifference` only. */
  readonly differences?: number
}

export interface VerifyResult {
  readonly events: number
  readonly documents: number
  readonly differences: number
}

/** What an operator sees of projections, and does to them, from any process. */
export interface ProjectionTools {
  /** Every version of every projection that the store knows. */
  list(): Promise<readonly ProjectionStatus[]>
  /**
   * Builds the view anew beside the current one, and puts it in its place at once. Readers see the old one until then. A run that was
   * ended is gone on with by the next, if the code of the handlers is the same.
   *
   * @throws {HodisaError} `rebuild-failed`, naming the event that a handler throws at; `rebuild-taken-over`
   */
  rebuild<Doc>(projection: Projection<Doc>, options?: RebuildOptions): Promise<RebuildResult>
  /** Computes the view beside the current one, tells what differs, and changes nothing. @throws {HodisaError} `rebuild-failed` */
  verify<Doc>(projection: Projection<Doc>, options?: RebuildOptions): Promise<VerifyResult>
  /** Removes a version: its documents and its progress. @throws {HodisaError} `service-running`, `projection-unknown` */
  drop(name: string, version: number): Promise<void>
}

/** At the same position at once: a view that moves is looked at so often. */
const LOOKS = 20
const CHUNK = 100

export class ProjectionAdmin implements ProjectionTools {
  readonly #host: RebuildHost

  constructor(host: RebuildHost) {
    this.#host = host
  }

  async list(): Promise<readonly ProjectionStatus[]> {
    const { store, states } = this.#host
    const head = await store.head()
    const living = await livingIds(store)
    const found: ProjectionStatus[] = []
    for (const state of await states.list()) {
      const group = await store.groups.read(serviceOf(state))
      const position = state.inline ? head : await reached(store, state)
      const rebuild = await states.readRebuild(state)
      found.push({
        projection: state.name,
        version: state.version,
        mode: state.inline ? 'inline' : isParallel(state) ? 'parallel' : 'async',
        state: stateOf(state, group, living, position),
        position,
        lag: Math.max(0, head - position),
        documents: await store.documents.count(collectionOf(state)),
        ...(state.blocked !== null && { blocked: withoutState(state.blocked) }),
        ...(rebuild !== undefined && { rebuild: { position: rebuild.position, startedAt: rebuild.startedAt } }),
      })
    }
    return found
  }

  async rebuild(given: unknown, options: RebuildOptions = {}): Promise<RebuildResult> {
    const projection = this.#assert(given, options)
    const { onDifference } = options
    let count = 0
    const compare =
      onDifference === undefined
        ? undefined
        : async (build: Build) => {
            count = await this.#compare(projection, build, onDifference)
          }
    const { events } = await new Rebuild(this.#host, projection, buildOptions(options)).run(compare)
    const state = await this.#host.states.read(projection)
    const documents = state === undefined ? 0 : await this.#host.store.documents.count(collectionOf(state))
    return { events, documents, ...(onDifference !== undefined && { differences: count }) }
  }

  async verify(given: unknown, options: RebuildOptions = {}): Promise<VerifyResult> {
    const projection = this.#assert(given, options)
    const { store, states, newRun, codec } = this.#host
    const state = await states.read(projection)
    if (state === undefined) throw unknown(projection)
    const prefix = `view.${projection.name}.${projection.version}.verify-`
    for (const { name } of await store.documents.list()) if (name.startsWith(prefix)) await store.documents.drop(name)
    const after = `${prefix}${newRun()
      .toLowerCase()
      .replace(/[^a-z0-9_-]/g, '')}`
    await store.documents.define({ name: after, indexes: projection.indexes })
    try {
      const documents = new ViewDocuments(projection, codec)
      const builder = new Builder(this.#host, {
        ...{ projection, documents, collection: after, position: 0 },
        save: (writes) => store.documents.write(writes),
      })
      const meter = new Meter(this.#host.clock, builder, options.onProgress)
      const catchUp = () => builder.toHead((head) => meter.tell(head), options.signal)
      await catchUp()
      const build = { builder, before: collectionOf(state), after, catchUp }
      const found = await this.#compare(projection, build, options.onDifference ?? (() => undefined))
      return { events: builder.events, documents: await store.documents.count(after), differences: found }
    } finally {
      await store.documents.drop(after)
    }
  }

  async drop(name: string, version: number): Promise<void> {
    const { store, states } = this.#host
    const state = await states.read({ name, version })
    if (state === undefined) throw unknown({ name, version })
    const service = serviceOf(state)
    const living = await livingIds(store)
    for (;;) {
      const group = await store.groups.read(service)
      const running = group.members.filter(({ instance }) => living.has(instance))
      if (running.length > 0) {
        throw new HodisaError('service-running', `projection ${idOf(state)} has ${running.length} running instances`, {
          projection: name,
          version,
        })
      }
      if (group.revision === 0 || (await store.groups.forget(service, group.revision))) break
    }
    for (const { name: registered } of await store.inlines()) {
      if (registered.startsWith(`${idOf(state)} `)) await store.inline({ name: registered, types: [] })
    }
    const rebuild = await states.readRebuild(state)
    await store.documents.write([{ collection: VIEWS, id: idOf(state), data: null }, rebuildWrite(state, null)])
    await store.documents.drop(collectionOf(state))
    if (rebuild !== undefined) await store.documents.drop(collectionOf({ ...state, generation: rebuild.generation }))
  }

  #assert(given: unknown, options: RebuildOptions): DefinedProjection {
    const projection = definedBy(given)
    assertOptions('rebuild', options)
    if (options.onProgress !== undefined) assertFunction('onProgress', options.onProgress)
    if (options.onDifference !== undefined) assertFunction('onDifference', options.onDifference)
    if (projection.sql) {
      throw new HodisaError(
        'capability-missing',
        `projection ${projection.id} writes tables of its own, which cannot be built beside themselves: raise its version, and give the tables names of that version`,
        { capability: 'rebuild with view.sql', projection: projection.id },
      )
    }
    projection.seal(this.#host.registry)
    return projection
  }

  /** What differs once both hold the same events. */
  async #compare(
    projection: DefinedProjection,
    build: Build,
    tell: (difference: ViewDifference) => void | Promise<void>,
  ): Promise<number> {
    const { store, codec } = this.#host
    const documents = new ViewDocuments(projection, codec)
    let count = 0
    let ids: string[] = []
    const look = async () => {
      for (const difference of await this.#settled(projection, build, documents, ids)) {
        count++
        await tell(difference)
      }
      ids = []
    }
    for await (const id of differing(store, documents, build.before, build.after)) {
      if (ids.push(id) >= CHUNK) await look()
    }
    if (ids.length > 0) await look()
    return count
  }

  /** The current view may have moved between two reads: looked at again where it holds other events than the new one. */
  async #settled(
    projection: DefinedProjection,
    build: Build,
    documents: ViewDocuments,
    ids: readonly string[],
  ): Promise<readonly ViewDifference[]> {
    const { store, states, clock } = this.#host
    const place = async () => (projection.inline ? store.head() : ((await states.read(projection))?.position ?? 0))
    let found = await differences(store, documents, build, ids)
    for (let looks = 0; found.length > 0 && looks < LOOKS; looks++) {
      const before = await place()
      await build.catchUp()
      found = await differences(
        store,
        documents,
        build,
        found.map(({ id }) => id),
      )
      if ((await place()) === before && (await this.#isLevel(projection, build, before))) return found
      await new Promise<void>((resolve) => clock.after(10, resolve))
    }
    return found
  }

  /** Whether no event of the view lies between where it is and where the new one is. */
  async #isLevel(projection: DefinedProjection, { builder }: Build, position: number): Promise<boolean> {
    if (projection.inline) return true
    const state = await this.#host.states.read(projection)
    if (state === undefined || (await reached(this.#host.store, state)) < position) return false
    const types = this.#host.registry.recordedAs(projection.patterns.map(({ text }) => text))
    const page = await this.#host.store.readLog({ after: position, until: builder.position, types, limit: 1 })
    return page.events.length === 0
  }
}

function serviceOf(view: ViewName): string {
  return `${PROJECTION}${idOf(view)}`
}

function stateOf(
  state: ViewState,
  group: GroupState,
  living: ReadonlySet<string>,
  position: number,
): ProjectionStatus['state'] {
  if (state.inline) return 'inline'
  if (state.blocked !== null) return state.blocked.state
  if (group.paused !== null) return 'paused'
  if (!group.members.some(({ instance }) => living.has(instance))) return 'down'
  return position < state.goal ? 'building' : 'running'
}

function withoutState({ state: _, ...blocked }: Blocked): Omit<Blocked, 'state'> {
  return blocked
}

function unknown({ name, version }: ViewName): HodisaError {
  return new HodisaError('projection-unknown', `the store knows no projection ${name}@${version}`, {
    projection: name,
    version,
  })
}

function buildOptions({ onProgress, signal, fresh = false }: RebuildOptions): BuildOptions {
  return { ...(onProgress !== undefined && { onProgress }), ...(signal !== undefined && { signal }), fresh }
}

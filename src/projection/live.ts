import { backoff } from '../delivery/backoff.ts'
import type { EffectContext } from '../delivery/context.ts'
import type { ServiceToRun } from '../delivery/delivery.ts'
import { isPermanent, storedError } from '../delivery/failure.ts'
import type { OneLane } from '../delivery/one-lane.ts'
import { resolveOptions } from '../delivery/options.ts'
import { Routes } from '../delivery/routes.ts'
import { PAGE_IN_ONE_LANE } from '../delivery/runner.ts'
import { HodisaError, isHodisaError } from '../errors.ts'
import type { RecordedEvent } from '../event/types.ts'
import type { Codec } from '../log/codec.ts'
import type { DocumentWrite } from '../store/documents.ts'
import type { StoredEvent } from '../store/events.ts'
import type { StoreTransaction } from '../store/port.ts'
import { applyAll } from './apply.ts'
import type { DefinedProjection, Document } from './definition.ts'
import { getInChunks, ViewDocuments } from './documents.ts'
import { Draft } from './draft.ts'
import { collectionOf, readIn, stateWrite, type ViewState, type ViewStates } from './state.ts'

/** What delivery gives to every service that it runs. */
export type LiveHost = Omit<ServiceToRun, 'service' | 'options' | 'routes' | 'oneLane'>

const OPTIONS = resolveOptions({ from: 'start', timeout: '2m', retry: { attempts: 5, min: '200ms', max: '30s' } })

/** How many events of a parallel projection are taken in at a time. */
const PARALLEL = 200

/** A projection as delivery runs it: one lane in log order, a batch at a time. */
export class LiveProjection implements OneLane {
  readonly #projection: DefinedProjection
  readonly #documents: ViewDocuments
  readonly #host: LiveHost
  readonly #states: ViewStates
  /** As it was after the last batch of this instance; unknown after anything else. */
  #state: ViewState | undefined

  constructor(projection: DefinedProjection, codec: Codec | undefined, states: ViewStates, host: LiveHost) {
    this.#projection = projection
    this.#documents = new ViewDocuments(projection, codec)
    this.#states = states
    this.#host = host
  }

  /** @param position what is in the view when it is first run: a view may have been built before. */
  service(position: number): ServiceToRun {
    const { service, patterns } = this.#projection
    const routes = new Routes(service, this.#host.registry)
    routes.add({
      mode: 'batch',
      patterns,
      from: undefined,
      usage: { attempts: 0, commits: 0 },
      size: this.#isParallel ? PARALLEL : PAGE_IN_ONE_LANE,
      wait: 0,
      handler: (events, ctx) => this.#handle(events, ctx),
    })
    const from = position === 0 ? ('start' as const) : position + 1
    return { ...this.#host, service, options: { ...OPTIONS, from }, routes, oneLane: this }
  }

  async #handle(events: readonly RecordedEvent[], ctx: EffectContext): Promise<void> {
    this.#state ??= await this.#read()
    const before = this.#state
    this.#state = undefined
    // Where the outcome of a write was never known, its events come again, and are in the documents already.
    const taken = this.#isParallel ? (before.base ?? 0) : before.position
    const fresh = events.filter(({ position }) => position > taken)
    if (fresh.length === 0) {
      this.#state = before
      return
    }
    const after = (current: ViewState) => withEvents(current, fresh)
    if (this.#projection.sql) {
      await ctx.record({ work: (tx) => this.#write(tx, before, after, () => this.#project(before, fresh, tx)) })
    } else {
      const writes = await this.#project(before, fresh)
      await ctx.record({ work: (tx) => this.#write(tx, before, after, () => writes) })
    }
    this.#state = after(before)
  }

  get #isParallel(): boolean {
    return this.#projection.partition !== undefined
  }

  /** What a parallel projection keeps order by: the document that an event is about. */
  get keyOf(): OneLane['keyOf'] {
    const { partition } = this.#projection
    if (partition === undefined) return undefined
    const { registry, decoder } = this.#host
    const keyIn = (parts: readonly RecordedEvent[]) => {
      const [first] = parts
      return first === undefined ? undefined : partition(first)
    }
    return (stored) => {
      // What goes wrong here goes wrong in the handler's turn again, and is told then.
      if (!registry.canRead(stored.type, stored.version)) return ''
      try {
        const parts = decoder.parts(stored)
        return parts instanceof Promise ? parts.then(keyIn).catch(() => '') : keyIn(parts)
      } catch {
        return ''
      }
    }
  }

  /** The documents that the events change. */
  async #project(
    state: ViewState,
    events: readonly RecordedEvent[],
    tx?: StoreTransaction,
  ): Promise<readonly DocumentWrite[]> {
    const collection = collectionOf(state)
    const source = tx?.documents ?? this.#host.store.documents
    const load = async (ids: readonly string[]): Promise<ReadonlyMap<string, Document>> =>
      this.#documents.decodeAll(await getInChunks((some) => source.get(collection, some), ids))
    const draft = new Draft(load, tx?.sql)
    await applyAll(this.#projection, this.#host.registry, events, draft)
    return this.#documents.writes(collection, await draft.finish())
  }

  async #write(
    tx: StoreTransaction,
    before: ViewState,
    after: (current: ViewState) => ViewState,
    writes: () => readonly DocumentWrite[] | Promise<readonly DocumentWrite[]>,
  ): Promise<void> {
    const current = await readIn(tx.documents, before)
    const same = this.#isParallel ? current?.base === before.base : current?.position === before.position
    if (current === undefined || !same || current.generation !== before.generation) {
      // A rebuild took its place, or a write went through that was thought to have failed: on from what stands there.
      throw new HodisaError('lease-lost', `projection ${this.#projection.id} has moved meanwhile`, { group: true })
    }
    await tx.documents.write([...(await writes()), stateWrite(after(current))])
  }

  async #read(): Promise<ViewState> {
    const state = await this.#states.read(this.#projection)
    if (state !== undefined) return state
    throw new HodisaError('store-corrupt', `the state of projection ${this.#projection.id} is gone`, {})
  }

  async failed(error: unknown, event: StoredEvent, record: Parameters<OneLane['failed']>[2]): Promise<number> {
    const { clock, logger, random } = this.#host
    const { id, type, position } = event
    const cause = error ?? tooOld(this.#projection, event)
    const stored = storedError(cause)
    this.#state = undefined
    const before = await this.#read()
    const same = before.blocked?.event.id === id ? before.blocked : undefined
    const attempts = (same?.attempts ?? 0) + 1
    const state = isPermanent(cause) || attempts >= OPTIONS.retry.attempts ? 'blocked' : 'retrying'
    const since = same?.since ?? clock.now()
    const blocked = { state, error: stored, event: { id, type, position }, attempts, since } as const
    const said = { projection: this.#projection.id, id, type, position, attempts, error: stored.message }
    if (state === 'retrying') logger.info(`projection ${this.#projection.id}: ${type} failed`, said)
    else if (same?.state !== 'blocked') {
      logger.error(`projection ${this.#projection.id} is blocked: ${type} ${id} fails: ${stored.message}`, said)
    }
    try {
      await record({
        work: (tx) =>
          this.#write(
            tx,
            before,
            (current) => ({ ...current, blocked }),
            () => [],
          ),
      })
    } catch (refused) {
      if (!isHodisaError(refused, 'lease-lost')) throw refused
      return 0
    }
    return state === 'blocked' ? OPTIONS.retry.max : backoff(attempts, OPTIONS.retry, random)
  }
}

/** Whatever it did not get past is past, if it is among these. */
function withEvents(state: ViewState, events: readonly RecordedEvent[]): ViewState {
  const position = events.reduce((last, event) => Math.max(last, event.position), state.position)
  const passed = events.some((event) => event.position === state.blocked?.event.position)
  return { ...state, position, blocked: passed ? null : state.blocked }
}

function tooOld({ id: projection }: DefinedProjection, { id, type, version }: StoredEvent): HodisaError {
  return new HodisaError(
    'projection-too-old',
    `projection ${projection}: event ${id} (${type}) has version ${version}, which is newer than this program knows`,
    { projection, id, type, version },
  )
}

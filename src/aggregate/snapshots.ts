import { isHodisaError } from '../errors.ts'
import { deepFreeze } from '../event/frozen.ts'
import { toJson } from '../event/json.ts'
import type { Codec, CodecSubject } from '../log/codec.ts'
import type { DocumentWrite } from '../store/documents.ts'
import type { Logger, Store } from '../store/port.ts'
import type { BoundAggregate, Standing } from './bound.ts'
import type { Collections } from './collections.ts'
import { seal, unseal } from './sealed.ts'

const COLLECTION = 'hodisa.snapshots'
/** Of one write. */
const AT_ONCE = 50
/** Streams that wait for theirs: more are let go, for a snapshot only saves time. */
const MOST_WAITING = 1_000

/** As it is kept. */
interface Snapshot {
  /** Of the aggregate's definition. */
  readonly version: number
  readonly revision: number
  /** Id of the event at that revision. */
  readonly event: string
  readonly state: unknown
}

interface Due {
  readonly bound: BoundAggregate
  readonly standing: Standing
}

/** Keeps states in the store, beside the log: in the background, the newest of each stream. What fails is said, and costs time only. */
export class Snapshots {
  readonly #store: Store
  readonly #collections: Collections
  readonly #codec: Codec | undefined
  readonly #logger: Logger
  readonly #due = new Map<string, Due>()
  readonly #said = new Set<string>()
  #writing: Promise<void> | undefined
  #stopped = false

  constructor(store: Store, collections: Collections, codec: Codec | undefined, logger: Logger) {
    this.#store = store
    this.#collections = collections
    this.#codec = codec
    this.#logger = logger
  }

  /** Takes one where enough has come since the last. */
  consider(bound: BoundAggregate, stream: string, standing: Standing): void {
    const { snapshotEvery } = bound.aggregate
    if (this.#stopped || snapshotEvery === undefined || standing.revision - standing.snapshot < snapshotEvery) return
    const before = this.#due.get(stream)
    if (before === undefined && this.#due.size >= MOST_WAITING) return
    if (before !== undefined && before.standing.revision >= standing.revision) return
    this.#due.set(stream, { bound, standing })
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
    })
  }

  /** Undefined where there is none that can be used. */
  async read(bound: BoundAggregate, stream: string): Promise<Snapshot | undefined> {
    if (bound.aggregate.snapshotEvery === undefined) return undefined
    try {
      await this.#collections.ready(COLLECTION)
      const text = (await this.#store.documents.get(COLLECTION, [stream])).get(stream)
      if (text === undefined) return undefined
      const kept: unknown = JSON.parse(text)
      if (!isKept(kept)) throw new Error('it has another shape')
      if (kept.version !== bound.aggregate.version) {
        this.refuse(bound, stream, `it is of version ${kept.version}, not ${bound.aggregate.version}`)
        return undefined
      }
      const { version, revision, event, encoding } = kept
      const state: unknown =
        encoding === null
          ? kept.state
          : JSON.parse(await unseal(this.#codec, { encoding, data: String(kept.state) }, subjectOf(stream)))
      return { version, revision, event, state: deepFreeze(state) }
    } catch (error) {
      this.refuse(bound, stream, String(error))
      return undefined
    }
  }

  /** Says, once for each aggregate, that a snapshot is not used. */
  refuse({ name }: BoundAggregate, stream: string, why: string): void {
    if (this.#said.has(name)) return
    this.#said.add(name)
    this.#logger.warn(`aggregate ${name}: the snapshot of ${stream} is not used, its events are: ${why}`, {
      aggregate: name,
      stream,
    })
  }

  /** Resolves when everything that was due is written, or has failed. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#writing
  }

  async #write(): Promise<void> {
    // After the append that led here has reached its caller.
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (this.#due.size > 0) {
      const batch = [...this.#due].slice(0, AT_ONCE)
      for (const [stream] of batch) this.#due.delete(stream)
      try {
        await this.#collections.ready(COLLECTION)
        const writes = await Promise.all(batch.map(([stream, due]) => this.#document(stream, due)))
        await this.#store.documents.write(writes.filter((write) => write !== undefined))
        for (const [stream, { bound, standing }] of batch) known(bound, stream, standing)
      } catch (error) {
        this.#logger.error(`snapshots of ${batch.length} aggregates were not kept: ${String(error)}`, {
          error: String(error),
        })
      }
    }
  }

  async #document(stream: string, { bound, standing }: Due): Promise<DocumentWrite | undefined> {
    const { state, revision, event } = standing
    const { name, version } = bound.aggregate
    try {
      const text = toJson(state, 'state')
      const { encoding, data } = await seal(this.#codec, text, subjectOf(stream))
      const head = JSON.stringify({ version, revision, event, encoding })
      const kept = encoding === null ? data : JSON.stringify(data)
      return { collection: COLLECTION, id: stream, data: `${head.slice(0, -1)},"state":${kept}}` }
    } catch (error) {
      if (!isHodisaError(error, 'unserialisable-data')) throw error
      const message = `aggregate ${name}: no snapshot of ${stream} can be kept: ${error.message}`
      const said = `${name}: state`
      if (!this.#said.has(said)) this.#logger.error(message, { aggregate: name, stream })
      this.#said.add(said)
      return undefined
    }
  }
}

/** So that the next one is not due at once. */
function known(bound: BoundAggregate, stream: string, { revision: snapshot, timeline }: Standing): void {
  const recent = bound.states.get(stream, timeline)
  if (recent !== undefined && recent.snapshot < snapshot) bound.states.put(stream, { ...recent, snapshot })
}

function subjectOf(stream: string): CodecSubject {
  return { type: 'hodisa.snapshot', stream, tenant: null, subject: null }
}

function isKept(value: unknown): value is Snapshot & { readonly encoding: string | null } {
  if (typeof value !== 'object' || value === null || !('state' in value)) return false
  const { version, revision, event, encoding } = value as Record<string, unknown>
  return (
    Number.isSafeInteger(version) &&
    Number.isSafeInteger(revision) &&
    typeof event === 'string' &&
    (encoding === null || typeof encoding === 'string')
  )
}

import { isHodisaError } from '../errors.ts'
import { type Duration, milliseconds } from '../event/duration.ts'
import { assertObject, assertOptions, assertTexts, invalidOption } from '../event/input.ts'
import type { Codec } from '../log/codec.ts'
import type { Receipt } from '../store/events.ts'
import type { Where } from './conditions.ts'
import type { DefinedProjection, Document } from './definition.ts'
import { getInChunks, ViewDocuments } from './documents.ts'
import { assertDocumentId } from './draft.ts'
import { type AnyFind, type FindOptions, Search, type ViewPage } from './search.ts'
import { collectionOf, type ViewState } from './state.ts'
import { caughtUp, type WaitingHost } from './waiting.ts'

export interface ViewOptions {
  /** Wait until the view holds these events. */
  readonly after?: Receipt
  /** How long to wait at most, for that and for a view that is being built; 10 s by default. */
  readonly timeout?: Duration
}

/**
 * The documents of a projection, to read. A view that is not built yet is waited for, never shown in part.
 *
 * Every call may reject with `view-building`, and with `{ after }` with `view-blocked` or `timeout`.
 */
export interface View<Doc> {
  get(id: string): Promise<Doc | undefined>
  /** Those that exist, by id. */
  getMany(ids: readonly string[]): Promise<ReadonlyMap<string, Doc>>
  /**
   * A page of the documents that match. Not a snapshot: documents that change between two pages may be seen twice or not at all.
   *
   * @throws {HodisaError} `index-missing` where no declared index narrows or orders, `invalid-option`
   */
  find(options?: FindOptions<Doc>): Promise<ViewPage<Doc>>
  /** How many documents match. @throws {HodisaError} `index-missing` */
  count(options?: { readonly where?: Where<Doc> }): Promise<number>
}

/** The view behind the face. */
export class ProjectedView implements View<Document> {
  readonly #projection: DefinedProjection
  readonly #host: WaitingHost
  readonly #documents: ViewDocuments
  readonly #after: Receipt | undefined
  readonly #timeout: number
  #waited = false

  constructor(projection: DefinedProjection, codec: Codec | undefined, host: WaitingHost, options: ViewOptions = {}) {
    assertOptions('view', options)
    this.#after = options.after
    if (this.#after !== undefined) {
      assertObject('after', this.#after)
      if (this.#after.token === undefined) throw invalidOption('after', 'must be a receipt', undefined)
      assertTexts(this.#after, ['token'])
    }
    this.#timeout = milliseconds(options.timeout ?? '10s', 'timeout')
    this.#projection = projection
    this.#host = host
    this.#documents = new ViewDocuments(projection, codec)
  }

  async get(id: string): Promise<Document | undefined> {
    return (await this.getMany([id])).get(id)
  }

  async getMany(ids: readonly string[]): Promise<ReadonlyMap<string, Document>> {
    if (!Array.isArray(ids)) throw invalidOption('ids', 'must be an array of texts', ids)
    for (const id of ids) assertDocumentId(id)
    const get = (collection: string) => (some: readonly string[]) => this.#host.store.documents.get(collection, some)
    return this.#read(async (collection) => this.#documents.decodeAll(await getInChunks(get(collection), ids)))
  }

  async find(options?: AnyFind): Promise<ViewPage<Document>> {
    return this.#read((collection) => this.#search(collection).find(options))
  }

  async count(options: { readonly where?: AnyFind['where'] } = {}): Promise<number> {
    assertOptions('count', options)
    return this.#read((collection) => this.#search(collection).count(options.where))
  }

  #search(collection: string): Search {
    return new Search(this.#host.store.documents, this.#documents, collection)
  }

  /** Reads in the current collection, which a rebuild may replace at any time. */
  async #read<Result>(read: (collection: string) => Promise<Result>): Promise<Result> {
    for (;;) {
      const state = await this.#state()
      try {
        return await read(collectionOf(state))
      } catch (error) {
        if (!isHodisaError(error, 'collection-unknown')) throw error
        const now = await this.#host.states.read(this.#projection)
        if (now === undefined || now.generation === state.generation) throw error
      }
    }
  }

  async #state(): Promise<ViewState> {
    const after = this.#waited ? undefined : this.#after
    const state = await caughtUp(this.#host, this.#projection, after, this.#timeout)
    this.#waited = true
    return state
  }
}

import { PROJECTION } from '../delivery/one-lane.ts'
import { HodisaError, isHodisaError } from '../errors.ts'
import type { DocumentWrite, TransactionDocuments } from '../store/documents.ts'
import type { StoredError } from '../store/groups.ts'
import type { Store } from '../store/port.ts'

/** Why a projection does not go on: it passes nothing over. */
export interface Blocked {
  /** `retrying`: it may pass. `blocked`: it will not pass by itself. */
  readonly state: 'retrying' | 'blocked'
  readonly error: StoredError
  readonly event: { readonly id: string; readonly type: string; readonly position: number }
  readonly attempts: number
  /** Ms since 1970. */
  readonly since: number
}

/** What the store keeps of one version of a projection, beside its documents. */
export interface ViewState {
  readonly name: string
  readonly version: number
  readonly inline: boolean
  /** See `DefinedProjection.shape`. */
  readonly shape: string
  /** Which of its collections is the current one: a rebuild makes the next. */
  readonly generation: number
  /**
   * Events up to here are in the documents; what is written with the events stays at where it began, and what is built in
   * parallel has taken in some of the events up to here, and none behind.
   */
  readonly position: number
  /** Events up to here are in the documents, whatever `position` is: those of a rebuild, of a view that is built in parallel. */
  readonly base?: number
  /** The last of its events that stood in the log when it was first declared: from there on it is complete. */
  readonly goal: number
  readonly blocked: Blocked | null
}

/** A view that is being built anew beside the current one. */
export interface RebuildState {
  /** Whoever builds it: another run takes it over with an id of its own. */
  readonly run: string
  readonly generation: number
  readonly shape: string
  /** See `DefinedProjection.code`. */
  readonly code: string
  readonly position: number
  readonly startedAt: number
}

export const VIEWS = 'hodisa.views'

/** One version of a projection, by name. */
export type ViewName = Pick<ViewState, 'name' | 'version'>

export function collectionOf({
  name,
  version,
  generation,
}: Pick<ViewState, 'name' | 'version' | 'generation'>): string {
  return `view.${name}.${version}.${generation}`
}

/** What a view that is written with the events is registered as: who knows another generation of it is refused. */
export function inlineNameOf(state: Pick<ViewState, 'name' | 'version' | 'generation'>): string {
  return `${idOf(state)} ${state.generation}`
}

/** Registered while a rebuild takes the last steps: nobody knows it, so that nobody records its events meanwhile. */
export function fenceNameOf(view: ViewName, run: string): string {
  return `${idOf(view)} ${run}`
}

/** Takes every registered name of a projection away, of any version of it, but one. */
export async function keepRegistered(store: Store, { name }: Pick<ViewName, 'name'>, kept: string): Promise<void> {
  for (const other of await store.inlines()) {
    if (other.name !== kept && other.name.startsWith(`${name}@`)) await store.inline({ name: other.name, types: [] })
  }
}

export function idOf({ name, version }: ViewName): string {
  return `${name}@${version}`
}

function rebuildIdOf(view: ViewName): string {
  return `${idOf(view)} rebuild`
}

/** The states of all views of a store. */
export class ViewStates {
  readonly #store: Store
  #defined: Promise<void> | undefined
  /** Views that are known to have taken in what stood in the log when they were declared. */
  readonly complete = new Set<string>()

  constructor(store: Store) {
    this.#store = store
  }

  /** Makes the collection that holds them. */
  ready(): Promise<void> {
    this.#defined ??= this.#store.documents.define({ name: VIEWS, indexes: [] }).catch((error) => {
      this.#defined = undefined
      throw error
    })
    return this.#defined
  }

  /** Changes nothing, also where no projection was ever declared. */
  async read(view: ViewName): Promise<ViewState | undefined> {
    return parsed<ViewState>(await this.#text(idOf(view)))
  }

  async readRebuild(view: ViewName): Promise<RebuildState | undefined> {
    return parsed<RebuildState>(await this.#text(rebuildIdOf(view)))
  }

  async #text(id: string): Promise<string | undefined> {
    const found = await unlessUnknown(() => this.#store.documents.get(VIEWS, [id]))
    return found?.get(id)
  }

  /** All of them, or those of one projection; by name and version. */
  async list(name?: string): Promise<readonly ViewState[]> {
    const states: ViewState[] = []
    let after = name === undefined ? undefined : { id: `${name}@` }
    for (;;) {
      const query = { limit: 100, ...(after !== undefined && { after }) }
      const page = (await unlessUnknown(() => this.#store.documents.find(VIEWS, query))) ?? []
      for (const { id, data } of page) {
        const state = parsed<ViewState>(data)
        if (state === undefined || id !== idOf(state)) continue
        if (name !== undefined && state.name !== name) return states
        states.push(state)
      }
      const last = page.at(-1)
      if (last === undefined || page.length < 100) break
      after = { id: last.id }
    }
    return states.sort((one, other) =>
      one.name === other.name ? one.version - other.version : one.name < other.name ? -1 : 1,
    )
  }
}

/** Whether its documents are built in parallel: then `position` tells how far the first of the lanes is, and not the last. */
export function isParallel({ shape }: ViewState): boolean {
  return JSON.parse(shape).partitioned === true
}

/** Everything at or below is in the view. */
export async function reached(store: Store, state: ViewState): Promise<number> {
  const { checkpoints } = await store.groups.progress(`${PROJECTION}${idOf(state)}`)
  const lowest = Math.min(...checkpoints)
  // What came last may have been dropped by an upcaster: only delivery knows that it has come by.
  return Math.max(lowest, isParallel(state) ? (state.base ?? 0) : state.position)
}

export async function readIn(documents: TransactionDocuments, view: ViewName): Promise<ViewState | undefined> {
  const id = idOf(view)
  return parsed<ViewState>((await documents.get(VIEWS, [id])).get(id))
}

export async function readRebuildIn(
  documents: TransactionDocuments,
  view: ViewName,
): Promise<RebuildState | undefined> {
  const id = rebuildIdOf(view)
  return parsed<RebuildState>((await documents.get(VIEWS, [id])).get(id))
}

export function stateWrite(state: ViewState): DocumentWrite {
  return { collection: VIEWS, id: idOf(state), data: JSON.stringify(state) }
}

export function rebuildWrite(view: ViewName, rebuild: RebuildState | null): DocumentWrite {
  return { collection: VIEWS, id: rebuildIdOf(view), data: rebuild === null ? null : JSON.stringify(rebuild) }
}

async function unlessUnknown<Result>(read: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await read()
  } catch (error) {
    if (isHodisaError(error, 'collection-unknown')) return undefined
    throw error
  }
}

function parsed<State>(text: string | undefined): State | undefined {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new HodisaError('store-corrupt', 'the state of a view is not JSON', { collection: VIEWS }, error)
  }
}

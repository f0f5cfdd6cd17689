import { HodisaError } from '../errors.ts'
import type { Registry } from '../event/registry.ts'
import type { Store } from '../store/port.ts'
import type { DefinedProjection } from './definition.ts'
import {
  collectionOf,
  inlineNameOf,
  keepRegistered,
  readIn,
  stateWrite,
  VIEWS,
  type ViewState,
  type ViewStates,
} from './state.ts'

/** The events of a projection, as they stand in the log. */
export function typesOf(projection: DefinedProjection, registry: Registry): readonly string[] {
  return registry.recordedAs(projection.patterns.map(({ text }) => text))
}

/** Position of the newest event that a projection takes in; 0 where there is none. */
export async function lastOf(store: Store, types: readonly string[]): Promise<number> {
  let until = await store.head()
  while (until > 0) {
    const page = await store.readLog({ types, until, backwards: true, limit: 1 })
    const [found] = page.events
    if (found !== undefined) return found.position
    if (page.end) return 0
    until = page.scanned - 1
  }
  return 0
}

/**
 * Makes the place of a projection's documents and progress, where it is not there yet.
 *
 * @throws {HodisaError} `projection-changed`, `projection-superseded`, `projection-not-built`
 */
export async function declare(
  store: Store,
  states: ViewStates,
  projection: DefinedProjection,
  registry: Registry,
): Promise<ViewState> {
  const { name, version, inline, indexes, id } = projection
  const shape = projection.shape(registry)
  await states.ready()
  const known = await states.read(projection)
  if (known !== undefined) return tryAgain(store, unchanged(known, shape))
  const types = typesOf(projection, registry)
  const others = await states.list(name)
  const higher = others.find((other) => other.version > version)
  if (higher !== undefined) {
    throw new HodisaError(
      'projection-superseded',
      `projection ${id} was never built, and version ${higher.version} is in place: an older one is not built any more`,
      { projection: name, version, inPlace: higher.version },
    )
  }
  const goal = await lastOf(store, types)
  if (goal > 0 && inline) throw notBuilt(projection, 'it is written with the events, and there are events already')
  if (goal > 0 && others.length > 0 && projection.onVersionChange === 'refuse') {
    throw notBuilt(projection, 'an older version is in place')
  }
  const state: ViewState = { name, version, inline, shape, generation: 1, position: 0, goal, blocked: null }
  await store.documents.define({ name: collectionOf(state), indexes })
  if (inline) await registerEmpty(store, projection, state, types)
  // Somebody else may make it at the same time.
  const { result } = await store.transaction(async (tx) => {
    const found = await readIn(tx.documents, state)
    if (found !== undefined) return found
    await tx.documents.write([stateWrite(state)])
    return state
  })
  return unchanged(result, shape)
}

/** A program that starts may be a corrected one: what was blocked is not until it fails again. */
async function tryAgain(store: Store, known: ViewState): Promise<ViewState> {
  if (known.blocked?.state !== 'blocked') return known
  const { result } = await store.transaction(async (tx) => {
    const current = (await readIn(tx.documents, known)) ?? known
    if (current.blocked === null) return current
    const state: ViewState = { ...current, blocked: { ...current.blocked, state: 'retrying', attempts: 0 } }
    await tx.documents.write([stateWrite(state)])
    return state
  })
  return result
}

/** From now on nobody records these events without the view. There must be none before. */
async function registerEmpty(
  store: Store,
  projection: DefinedProjection,
  state: ViewState,
  types: readonly string[],
): Promise<void> {
  const name = inlineNameOf(state)
  await store.inline({ name, types })
  if ((await lastOf(store, types)) === 0) return keepRegistered(store, state, name)
  // Somebody else has made the view since, and published; or somebody has published without it.
  if ((await store.documents.get(VIEWS, [projection.id])).size > 0) return
  await store.inline({ name, types: [] })
  throw notBuilt(projection, 'an event was recorded at the same time')
}

function notBuilt({ id, name, version }: DefinedProjection, why: string): HodisaError {
  return new HodisaError('projection-not-built', `projection ${id} was never built: ${why}`, {
    projection: name,
    version,
  })
}

function unchanged(state: ViewState, shape: string): ViewState {
  if (state.shape === shape) return state
  throw new HodisaError(
    'projection-changed',
    `projection ${state.name} takes in other events, or has other indexes, than version ${state.version} was built with`,
    { projection: state.name, version: state.version, built: JSON.parse(state.shape), defined: JSON.parse(shape) },
  )
}

import type { Registry } from '../../event/registry.ts'
import type { StoredEvent } from '../../store/events.ts'
import type { GroupProgress, GroupState, Member } from '../../store/groups.ts'
import type { Capabilities, Durability, Store } from '../../store/port.ts'
import { livingIds } from '../living.ts'
import type { ResolvedOptions } from '../options.ts'
import type { Routes } from '../routes.ts'

/** A service as this app defines it. */
export interface DefinedService {
  readonly name: string
  readonly options: ResolvedOptions
  readonly routes: Routes
}

/** What is known of one service, read once. */
export interface ServiceFacts {
  readonly name: string
  readonly defined: DefinedService | undefined
  readonly registry: Registry
  readonly capabilities: Capabilities
  readonly durability: Durability | 'none'
  readonly state: GroupState
  readonly progress: GroupProgress
  /** Members whose process is there. */
  readonly living: readonly Member[]
  readonly lag: number
  /** The newest events of its patterns. */
  readonly newest: readonly SeenEvent[]
  /** Events that keys wait with, until an instance can handle them: those of the first keys. */
  readonly waiting: readonly SeenEvent[]
}

export type SeenEvent = Pick<StoredEvent, 'type' | 'version' | 'position'>

/** How many of the newest events are looked at for types and versions that the code does not know. */
const LOOKED_AT = 500
const MOST_WAITING = 20

export async function factsOf(
  store: Store,
  name: string,
  known: Pick<ServiceFacts, 'defined' | 'registry' | 'capabilities' | 'durability'>,
): Promise<ServiceFacts> {
  const living = await livingIds(store)
  const [state, progress, head] = await Promise.all([
    store.groups.read(name),
    store.groups.progress(name),
    store.head(),
  ])
  const types = [
    ...new Set([
      ...state.subscriptions.map(({ pattern }) => pattern),
      ...(known.defined?.routes.subscriptions().map(({ pattern }) => pattern) ?? []),
    ]),
  ]
  const page =
    types.length === 0 ? undefined : await store.readLog({ types, until: head, backwards: true, limit: LOOKED_AT })
  return {
    ...known,
    name,
    state,
    progress,
    living: state.members.filter(({ instance }) => living.has(instance)),
    lag: state.revision === 0 ? 0 : Math.max(0, head - Math.min(...progress.checkpoints)),
    newest: page?.events ?? [],
    waiting: progress.cursors.waiting === 0 ? [] : await waitingOf(store, name),
  }
}

async function waitingOf(store: Store, name: string): Promise<StoredEvent[]> {
  const cursors = (await store.groups.cursors(name)).filter(({ state }) => state === 'waiting')
  const positions = cursors.map(({ position }) => position).sort((one, other) => one - other)
  const pages = positions
    .slice(0, MOST_WAITING)
    .map((position) => store.readLog({ after: position - 1, until: position, limit: 1 }))
  return (await Promise.all(pages)).flatMap(({ events }) => events)
}

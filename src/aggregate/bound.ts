import { HodisaError } from '../errors.ts'
import type { AnyEventDefinition } from '../event/definition.ts'
import type { Registry } from '../event/registry.ts'
import type { StoredEvent } from '../store/events.ts'
import type { AnyAggregate } from './definition.ts'
import { RecentStates } from './recent-states.ts'
import type { AggregateEvent } from './types.ts'

/** A state, and the place in its stream where it stands. */
export interface Standing {
  readonly state: unknown
  /** Of the last event; 0 before the first. */
  readonly revision: number
  /** Of the last event, ms since 1970: those of a stream never fall. */
  readonly timestamp: number
  /** Id of the last event. */
  readonly event: string | null
  /** Revision of the newest snapshot that is known of. */
  readonly snapshot: number
  /** Of the store, when it was read. */
  readonly timeline: number
}

/** Of the oldest: where they differ, it is none that still holds. */
export function timelineOf(standings: readonly Standing[]): number {
  return Math.min(...standings.map(({ timeline }) => timeline))
}

/** An aggregate as one app works with it. */
export class BoundAggregate {
  readonly aggregate: AnyAggregate
  readonly states: RecentStates
  readonly start: Standing
  readonly #registry: Registry
  readonly #definitions: ReadonlyMap<string, AnyEventDefinition>
  readonly #evolve: ReadonlyMap<string, (state: unknown, event: AggregateEvent) => unknown>

  constructor(aggregate: AnyAggregate, registry: Registry) {
    for (const definition of aggregate.events) registry.add(definition)
    this.#registry = registry
    this.aggregate = aggregate
    this.states = new RecentStates(aggregate.cache)
    this.start = { state: aggregate.initial, revision: 0, timestamp: 0, event: null, snapshot: 0, timeline: 0 }
    this.#definitions = new Map(aggregate.events.map((definition) => [definition.type, definition]))
    // What the definition holds are functions of its own state and events, which nothing here needs to know.
    this.#evolve = new Map(
      Object.entries(aggregate.evolve) as [string, (state: unknown, event: AggregateEvent) => unknown][],
    )
  }

  get name(): string {
    return this.aggregate.name
  }

  definition(type: string): AnyEventDefinition | undefined {
    return this.#definitions.get(type)
  }

  /**
   * Whether an event may have a say in the state, as far as can be told without looking into it.
   *
   * @throws {HodisaError} `aggregate-too-old` for one that newer code recorded: a state without it would be another state
   */
  takes(stored: StoredEvent): boolean {
    const definition = this.#registry.get(stored.type) // also by the type it had before
    const own = definition !== undefined && this.#definitions.get(definition.type) === definition
    if (own && stored.version === definition.version) return this.#evolve.has(definition.type)
    if (own && stored.version < definition.version) return true // who knows what its upcasters make of it
    if (stored.kind !== 'domain') return false
    const { id, type, version, stream, revision, position } = stored
    const known = own ? `has version ${version}, newer than it knows` : 'is none of its events'
    throw new HodisaError(
      'aggregate-too-old',
      `aggregate ${this.name}: event ${id} (${type}) at revision ${revision} of ${stream} ${known}`,
      { aggregate: this.name, stream, id, type, version, revision, position },
    )
  }

  /** The state after an event. @throws {HodisaError} `evolve-failed` */
  after(state: unknown, event: AggregateEvent): unknown {
    const evolve = this.#evolve.get(event.type)
    if (evolve === undefined) return state
    let next: unknown
    try {
      next = evolve(state, event)
    } catch (error) {
      throw this.#failed(event, `threw ${String(error)}`, error)
    }
    if (next === undefined) throw this.#failed(event, 'returned nothing')
    return next
  }

  #failed({ id, type, stream, revision }: AggregateEvent, how: string, cause?: unknown): HodisaError {
    return new HodisaError(
      'evolve-failed',
      `aggregate ${this.name}: evolve[${JSON.stringify(type)}] ${how}, at event ${id}, revision ${revision} of ${stream}`,
      { aggregate: this.name, id, type, stream, revision },
      cause,
    )
  }
}

import { HodisaError } from '../errors.ts'
import type { AnyEventDefinition } from '../event/definition.ts'
import { deepFreeze } from '../event/frozen.ts'
import { assertFunction, assertObject, invalidOption, shown } from '../event/input.ts'
import { assertCategory } from '../event/names.ts'
import type { Rejection } from './rejection.ts'
import type { AggregateEventOf, NewEventOf } from './types.ts'

/** What a command knows of its aggregate beside the state. */
export interface CommandContext {
  /** Of the aggregate, without the category. */
  readonly id: string
  /** Of the stream; 0 for an aggregate that nothing was recorded of. */
  readonly revision: number
}

/** What a command may return: an event, several, none, or a rejection. */
export type Decision<Definition> =
  | NewEventOf<Definition>
  | readonly NewEventOf<Definition>[]
  | Rejection<string, unknown>
  | undefined

/** Decides on a state and records nothing itself: it may run again, on a newer state, when somebody else wrote first. */
export type Command<State, Definition> = (
  state: State,
  input: never,
  context: CommandContext,
) => Decision<Definition> | Promise<Decision<Definition>>

/** Looked up, not searched for: an aggregate may have hundreds of events. */
type ByType<Definition extends AnyEventDefinition> = { readonly [Each in Definition as Each['type']]: Each }

/** For each type of event, the state after it. Pure, and it returns a new state; events without an entry change nothing. */
export type Evolve<State, Definition extends AnyEventDefinition> = {
  readonly [Type in Definition['type']]?: (state: State, event: AggregateEventOf<ByType<Definition>[Type]>) => State
}

export interface AggregateOptions<State, Definition extends AnyEventDefinition, Commands> {
  /** What may be recorded of the aggregate: events of kind `domain`. */
  readonly events: readonly Definition[]
  /** The state before the first event. It is frozen. */
  readonly initial: State
  readonly evolve: Evolve<NoInfer<State>, Definition>
  readonly commands: Commands
  /** Keeps a snapshot of the state each time so many events came after the last; without it, no snapshots. */
  readonly snapshotEvery?: number
  /** Raise it when `evolve` or the shape of the state changes: snapshots of another version are not used. 1 by default. */
  readonly version?: number
  /** How many states the process keeps at hand, the least used go first: 1,000 by default; `false` keeps none. */
  readonly cache?: number | false
}

/** A defined aggregate. `commands` and `evolve` are the functions that were given: plain, and to be called as such in tests. */
export interface Aggregate<Name extends string, State, Definition extends AnyEventDefinition, Commands> {
  /** Also the category of its streams: `<name>-<id>`. */
  readonly name: Name
  readonly version: number
  readonly events: readonly Definition[]
  readonly initial: State
  readonly evolve: Evolve<State, Definition>
  readonly commands: Commands
  readonly snapshotEvery: number | undefined
  /** 0 for none. */
  readonly cache: number
}

/** Any aggregate, whatever its state and commands. */
export interface AnyAggregate {
  readonly name: string
  readonly version: number
  readonly events: readonly AnyEventDefinition[]
  readonly initial: unknown
  readonly evolve: Readonly<Record<string, ((state: never, event: never) => unknown) | undefined>>
  readonly commands: Readonly<Record<string, (state: never, input: never, context: CommandContext) => unknown>>
  readonly snapshotEvery: number | undefined
  readonly cache: number
}

const STATES_AT_HAND = 1_000

/**
 * Defines an aggregate: what its events lead to, and what may be done with it. Its state is nowhere but in its events, which are
 * recorded in the stream `<name>-<id>`.
 *
 * @param name one camelCase segment: the category of its streams
 * @throws {HodisaError} `invalid-definition`, `invalid-name` or `invalid-option`, naming what is wrong
 */
export function defineAggregate<
  const Name extends string,
  State,
  const Definition extends AnyEventDefinition,
  const Commands extends Readonly<Record<string, Command<NoInfer<State>, Definition>>>,
>(name: Name, options: AggregateOptions<State, Definition, Commands>): Aggregate<Name, State, Definition, Commands> {
  assertCategory(name)
  assertObject(`aggregate ${name}: options`, options)
  const { events, initial, evolve, commands, snapshotEvery, version = 1, cache = STATES_AT_HAND } = options
  assertEvents(name, events)
  assertHandlers(name, events, evolve)
  assertObject(`aggregate ${name}: commands`, commands)
  for (const [command, decide] of Object.entries(commands)) {
    assertFunction(`aggregate ${name}: commands.${command}`, decide)
  }
  if (snapshotEvery !== undefined) assertCount(name, 'snapshotEvery', snapshotEvery)
  assertCount(name, 'version', version)
  if (cache !== false && cache !== 0) assertCount(name, 'cache', cache)
  return Object.freeze({
    name,
    version,
    events: Object.freeze([...events]),
    initial: deepFreeze(initial),
    evolve: Object.freeze({ ...evolve }),
    commands: Object.freeze({ ...commands }),
    snapshotEvery,
    cache: cache === false ? 0 : cache,
  })
}

function assertEvents(name: string, events: readonly AnyEventDefinition[]): void {
  if (!Array.isArray(events))
    throw invalidOption(`aggregate ${name}: events`, 'must be an array of definitions', events)
  const seen = new Set<string>()
  for (const definition of events as readonly AnyEventDefinition[]) {
    if (typeof definition !== 'function' || typeof definition.type !== 'string') {
      throw invalid(name, 'events must be what defineEvent returned', {})
    }
    const { type, kind, category, streamId } = definition
    if (seen.has(type)) throw invalid(name, `event ${type} is named twice`, { type })
    seen.add(type)
    if (kind !== 'domain') {
      throw invalid(name, `event ${type} is of kind ${kind}, and only domain events are recorded of aggregates`, {
        type,
        kind,
      })
    }
    if (streamId !== undefined && category !== name) {
      throw invalid(name, `event ${type} goes to streams ${category}-…, not ${name}-…: give it category "${name}"`, {
        type,
        category,
      })
    }
  }
}

function assertHandlers(name: string, events: readonly AnyEventDefinition[], evolve: object): void {
  assertObject(`aggregate ${name}: evolve`, evolve)
  for (const [type, handler] of Object.entries(evolve)) {
    if (handler === undefined) continue
    assertFunction(`aggregate ${name}: evolve[${JSON.stringify(type)}]`, handler)
    if (!events.some((definition) => definition.type === type)) {
      throw invalid(name, `evolve has ${JSON.stringify(type)}, which is none of its events`, { type })
    }
  }
}

function assertCount(name: string, option: string, value: unknown): void {
  if (Number.isSafeInteger(value) && Number(value) >= 1) return
  throw invalid(name, `${option} must be an integer from 1, not ${shown(value)}`, { option })
}

function invalid(aggregate: string, message: string, details: Record<string, unknown>): HodisaError {
  return new HodisaError('invalid-definition', `aggregate ${aggregate}: ${message}`, { aggregate, ...details })
}

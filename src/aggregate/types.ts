import type { AnyEventDefinition, DataOf, InputOf } from '../event/definition.ts'
import type { NewEvent, RecordedEvent } from '../event/types.ts'
import type { Receipt } from '../store/events.ts'
import type { AnyAggregate } from './definition.ts'
import type { Rejection } from './rejection.ts'

/*
 * Types that follow from an aggregate's definition. Each is computed from the one aggregate and the one command that a call names,
 * so that many aggregates cost no more than one.
 */

/** An event as `evolve` and the results of commands have it: recorded, but for its position, which a writer does not know. */
export interface AggregateEvent<Type extends string = string, Data = unknown>
  extends Omit<RecordedEvent<Type, Data>, 'position' | 'stream' | 'revision'> {
  readonly stream: string
  /** Dense place in the stream, from 1. */
  readonly revision: number
}

/** What `evolve` gets for a definition. */
export type AggregateEventOf<Definition> = Definition extends AnyEventDefinition
  ? AggregateEvent<Definition['type'], DataOf<Definition>>
  : never

/** What a command may return for a definition. */
export type NewEventOf<Definition> = Definition extends AnyEventDefinition
  ? NewEvent<Definition['type'], InputOf<Definition>>
  : never

/** The state that an aggregate's events lead to. */
export type StateOf<Of extends AnyAggregate> = Of['initial']

/** The names of an aggregate's commands. */
export type CommandName<Of extends AnyAggregate> = keyof Of['commands'] & string

/** What follows the name of a command: its input, which may be left out where the command takes none, and options. */
export type CommandArguments<Command, Options> = Command extends (state: never, ...rest: infer Rest) => unknown
  ? Rest extends readonly []
    ? [input?: undefined, options?: Options]
    : Rest extends readonly [infer Input, ...infer _]
      ? undefined extends Input
        ? [input?: Input, options?: Options]
        : [input: Input, options?: Options]
      : Rest extends readonly [(infer Input)?, ...infer _]
        ? [input?: Input, options?: Options]
        : never
  : never

/** What a command decides, once it is awaited. */
type DecisionOf<Command> = Command extends (...args: never) => infer Returned ? Awaited<Returned> : never

/** What a command may say no with. */
export type RejectionOf<Command> = Extract<DecisionOf<Command>, Rejection>

type EventIn<Decision> = Decision extends readonly (infer Event)[] ? Event : Decision

type TypeIn<Decision> = Decision extends NewEvent<infer Type, infer _> ? Type : never

/** The events that a command may record, as its result has them. */
export type EventsOf<Of extends AnyAggregate, Command> = AggregateEventOf<
  Extract<Of['events'][number], { readonly type: TypeIn<EventIn<DecisionOf<Command>>> }>
>

/** A command was accepted: its events are recorded. */
export interface Accepted<State, Event> {
  /** After the events. Frozen: a command that wants another state records an event. */
  readonly state: State
  /** Of the stream, after the events. */
  readonly revision: number
  /** What was recorded; empty where the command found nothing to do. */
  readonly events: readonly Event[]
  readonly receipt: Receipt
  readonly rejection?: undefined
}

/** A command was refused by the business: nothing is recorded. */
export interface Rejected<State, Reason> {
  /** That the decision was made on. */
  readonly state: State
  readonly revision: number
  readonly events: readonly []
  /** Of no events. */
  readonly receipt: Receipt
  /** The code and details that the command gave. */
  readonly rejection: Reason
}

/** What came of a command: look at `rejection` where the command can say no. */
export type CommandResult<State, Event, Reason> =
  | Accepted<State, Event>
  | ([Reason] extends [never] ? never : Reason extends unknown ? Rejected<State, Reason> : never)

/** What `app.execute` gives for one command of an aggregate. */
export type ResultOf<Of extends AnyAggregate, Name extends CommandName<Of>> = CommandResult<
  StateOf<Of>,
  EventsOf<Of, Of['commands'][Name]>,
  RejectionOf<Of['commands'][Name]>
>

/** An aggregate as it stands, or stood. */
export interface LoadedAggregate<State> {
  /** Frozen. */
  readonly state: State
  /** Of the last event that the state holds; 0 before the first. */
  readonly revision: number
  /** Whether anything was recorded of it by then. */
  readonly exists: boolean
}

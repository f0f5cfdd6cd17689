import type { Receipt } from '../store/events.ts'
import type { AnyAggregate, Decision } from './definition.ts'
import type { DecideOptions, ExecuteOptions, LoadOptions } from './options.ts'
import type { Rejection } from './rejection.ts'
import type { AggregateEventOf, CommandArguments, CommandName, LoadedAggregate, ResultOf, StateOf } from './types.ts'

/** An aggregate of some kind, by its id. */
export type AggregateReference = readonly [aggregate: AnyAggregate, id: string]

/** The states of several aggregates, in their order. */
export type StatesOf<Of extends readonly AggregateReference[]> = {
  readonly [Index in keyof Of]: StateOf<Of[Index][0]>
}

/** What is decided for several aggregates, in their order; a rejection for one of them rejects the whole. */
export type DecisionsFor<Of extends readonly AggregateReference[]> = {
  readonly [Index in keyof Of]: Decision<Of[Index][0]['events'][number]>
}

/** What stands of each aggregate after a decision. */
export type DecidedFor<Of extends readonly AggregateReference[]> = {
  readonly [Index in keyof Of]: {
    readonly state: StateOf<Of[Index][0]>
    readonly revision: number
    readonly events: readonly AggregateEventOf<Of[Index][0]['events'][number]>[]
  }
}

/** What came of a decision on several aggregates: look at `rejection` where it can be no. */
export interface DecidedTogether<Of extends readonly AggregateReference[], Reason> {
  /** For each aggregate, in their order; without events where the decision was no. */
  readonly results: DecidedFor<Of>
  readonly receipt: Receipt
  readonly rejection?: Reason | undefined
}

/** The rejections in what a decision returns: the whole, or the entry of one aggregate. */
export type ReasonIn<Returned> = Returned extends Rejection
  ? Returned
  : Returned extends readonly unknown[]
    ? Extract<Returned[number], Rejection>
    : never

/** What an app does with aggregates. */
export interface AggregateMethods {
  /**
   * Decides a command on the newest state, and records what it returns. Executions of one aggregate wait for one another in this
   * process; where another process writes first, the command is decided again, on that state.
   *
   * @throws {HodisaError} `revision-conflict` after so many `attempts`, or where `expectedRevision` does not hold; `id-reused`;
   *   `invalid-decision`, `evolve-failed`, `aggregate-too-old`, and what `publish` throws. A rejection is no error: it is returned.
   */
  execute<Of extends AnyAggregate, const Name extends CommandName<Of>>(
    aggregate: Of,
    id: string,
    command: Name,
    ...input: CommandArguments<Of['commands'][Name], ExecuteOptions>
  ): Promise<ResultOf<Of, Name>>
  /**
   * Decides on several aggregates at once, and records what that means for each in one atomic write: `decide` gets their states and
   * returns, in the same order, the events of each, or a rejection. It is decided again where somebody else wrote to one of them.
   *
   * @throws {HodisaError} as `execute`; `capability-missing` where the store cannot append to several streams
   */
  decide<const Of extends readonly AggregateReference[], Returned extends DecisionsFor<Of> | Rejection>(
    aggregates: Of,
    decide: (...states: StatesOf<Of>) => Returned | Promise<Returned>,
    options?: DecideOptions,
  ): Promise<DecidedTogether<Of, ReasonIn<Returned>>>
  /**
   * The state of an aggregate: now, at a time, or after one of its events.
   *
   * @throws {HodisaError} `evolve-failed`, `aggregate-too-old`, `upcast-failed`, `store-corrupt`
   */
  load<Of extends AnyAggregate>(aggregate: Of, id: string, options?: LoadOptions): Promise<LoadedAggregate<StateOf<Of>>>
}

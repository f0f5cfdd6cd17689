import { AssertionError } from 'node:assert'
import { BoundAggregate } from '../../aggregate/bound.ts'
import { decided } from '../../aggregate/decision.ts'
import type { AnyAggregate } from '../../aggregate/definition.ts'
import { Rejection } from '../../aggregate/rejection.ts'
import type {
  AggregateEvent,
  CommandArguments,
  CommandName,
  NewEventOf,
  RejectionOf,
  StateOf,
} from '../../aggregate/types.ts'
import { HodisaError } from '../../errors.ts'
import { deepFreeze } from '../../event/frozen.ts'
import { toJson } from '../../event/json.ts'
import { Registry } from '../../event/registry.ts'
import type { NewEvent } from '../../event/types.ts'
import { validateData } from '../../log/prepare.ts'
import { assertEqual, ExpectedRejection } from './expected.ts'
import { following, together } from './sync.ts'

/** Events of an aggregate, as its definitions make them. */
export type GivenEvents<Of extends AnyAggregate> = readonly NewEventOf<Of['events'][number]>[]

export interface GivenOptions {
  /** Of the aggregate; `test` by default. */
  readonly id?: string
}

/** What an assertion returns: a promise where the command does. */
type Done<Command> = Command extends (...args: never) => Promise<unknown> ? Promise<void> : undefined

/** An event as it would be recorded, as far as tests look at it. */
interface Fact {
  readonly type: string
  readonly data: unknown
}

interface Standing {
  readonly state: unknown
  readonly revision: number
}

interface Outcome {
  readonly before: Standing
  readonly facts: readonly Fact[]
  readonly rejection: Rejection | undefined
  readonly after: Standing
}

const WHEN = '2024-01-01T00:00:00.000Z'

/** An aggregate that so much has happened to. */
export class GivenAggregate<Of extends AnyAggregate> {
  readonly #bound: BoundAggregate
  readonly #events: readonly NewEvent[]
  readonly #id: string

  constructor(aggregate: Of, events: readonly NewEvent[], { id = 'test' }: GivenOptions) {
    this.#bound = new BoundAggregate(aggregate, new Registry())
    this.#events = events
    this.#id = id
  }

  /** Executes a command; what is expected of it follows: `then`, or `thenState`. */
  when<const Name extends CommandName<Of>>(
    command: Name,
    ...input: CommandArguments<Of['commands'][Name], never>
  ): WhenExecuted<Of, Of['commands'][Name]> {
    const decide = Object.hasOwn(this.#bound.aggregate.commands, command)
      ? this.#bound.aggregate.commands[command]
      : undefined
    if (decide === undefined) {
      throw new HodisaError('invalid-option', `aggregate ${this.#bound.name} has no command ${command}`, { command })
    }
    const run = () =>
      following(this.#standing(), (before) => {
        const { state, revision } = before
        const returned = decide(state as never, input[0] as never, { id: this.#id, revision })
        return following(returned, (decision: unknown) => this.#outcome(command, before, decision))
      })
    return new WhenExecuted(`${this.#bound.name}: ${command}`, run, (events) => this.#facts(events))
  }

  /** What the events lead to. @throws {AssertionError} */
  thenState(expected: StateOf<Of>): void | Promise<void> {
    return following(this.#standing(), ({ state }) => assertEqual(state, expected, `${this.#bound.name}: the state`))
  }

  #standing(): Standing | Promise<Standing> {
    return following(this.#facts(this.#events), (facts) => this.#after(this.#bound.start, facts))
  }

  #outcome(command: string, before: Standing, returned: unknown): Outcome | Promise<Outcome> {
    const decision = decided(this.#bound.aggregate, `command ${command}`, returned)
    if (decision instanceof Rejection) return { before, facts: [], rejection: decision, after: before }
    return following(this.#facts(decision), (facts) => {
      return { before, facts, rejection: undefined, after: this.#after(before, facts) }
    })
  }

  /** Events as they would be recorded. */
  #facts(events: readonly NewEvent[]): readonly Fact[] | Promise<readonly Fact[]> {
    return together(
      events.map((event) => {
        const definition = this.#bound.definition(event.type)
        if (definition === undefined) {
          throw new HodisaError('unknown-type', `event ${event.type} is none of aggregate ${this.#bound.name}`, {
            type: event.type,
          })
        }
        return following(validateData(definition, event.data), (data): Fact => {
          return { type: event.type, data: JSON.parse(toJson(data)) }
        })
      }),
    )
  }

  #after(before: Standing, facts: readonly Fact[]): Standing {
    let { state, revision } = before
    for (const { type, data } of facts) {
      revision++
      const event: AggregateEvent = {
        id: `evt_${revision}`,
        type,
        data,
        timestamp: WHEN,
        version: this.#bound.definition(type)?.version ?? 1,
        metadata: { correlationId: 'test', source: 'test' },
        stream: `${this.#bound.name}-${this.#id}`,
        revision,
      }
      state = this.#bound.after(state, event)
    }
    return { state: deepFreeze(state), revision }
  }
}

/** A command that was executed, to be compared with what is expected of it. */
export class WhenExecuted<Of extends AnyAggregate, Command> {
  readonly #what: string
  readonly #run: () => Outcome | Promise<Outcome>
  readonly #facts: (events: readonly NewEvent[]) => readonly Fact[] | Promise<readonly Fact[]>

  constructor(
    what: string,
    run: () => Outcome | Promise<Outcome>,
    facts: (events: readonly NewEvent[]) => readonly Fact[] | Promise<readonly Fact[]>,
  ) {
    this.#what = what
    this.#run = run
    this.#facts = facts
  }

  /**
   * Exactly these events, by type and data, or a rejection: `then([Withdrawn({ amount: 1 })])`, `then(rejected('too-poor'))`; `[]`
   * for none. To be awaited where the command is asynchronous.
   *
   * @throws {AssertionError} with a diff
   */
  // biome-ignore lint/suspicious/noThenProperty: given, when, then; who awaits it without an expectation is told so
  then(expected: GivenEvents<Of> | ExpectedRejection<RejectionOf<Command>['code']>): Done<Command> {
    if (typeof expected === 'function') throw awaited(this.#what)
    const compared = following(this.#run(), (outcome) =>
      following(expected instanceof ExpectedRejection ? [] : this.#facts(expected), (facts) => {
        assertEqual(shown(outcome, expected), expectation(expected, facts), this.#what)
      }),
    )
    return compared as Done<Command>
  }

  /** The state after what the command recorded. @throws {AssertionError} with a diff */
  thenState(expected: StateOf<Of>): Done<Command> {
    const compared = following(this.#run(), ({ after }) =>
      assertEqual(after.state, expected, `${this.#what}: the state`),
    )
    return compared as Done<Command>
  }
}

/** What came of it, in the words of the expectation. */
function shown({ facts, rejection }: Outcome, expected: unknown): object {
  if (rejection === undefined) return { events: facts }
  const { code, details } = rejection
  const detailed = !(expected instanceof ExpectedRejection) || expected.details.length > 0
  return { rejected: detailed ? { code, details } : { code } }
}

function expectation(expected: unknown, facts: readonly Fact[]): object {
  if (!(expected instanceof ExpectedRejection)) return { events: facts }
  const { code, details } = expected
  return { rejected: details.length > 0 ? { code, details: details[0] } : { code } }
}

/** `await` takes anything with a `then` for a promise. */
function awaited(what: string): AssertionError {
  return new AssertionError({ message: `${what} was awaited without an expectation: add .then([…]) behind .when(…)` })
}

import { HodisaError } from '../errors.ts'
import { assertFunction, invalidOption } from '../event/input.ts'
import { assertStream } from '../event/names.ts'
import type { Registry } from '../event/registry.ts'
import type { NewEvent } from '../event/types.ts'
import type { Codec } from '../log/codec.ts'
import type { Decoder } from '../log/decode.ts'
import type { Preparer } from '../log/prepare.ts'
import type { Clock, Logger, Store } from '../store/port.ts'
import { BoundAggregate, type Standing } from './bound.ts'
import { Collections } from './collections.ts'
import { decided, invalid } from './decision.ts'
import type { AnyAggregate } from './definition.ts'
import { Executor, type Outcome } from './executor.ts'
import { Loader, type Subject } from './loader.ts'
import { assertExecuteOptions, type DecideOptions, type ExecuteOptions, type LoadOptions, momentOf } from './options.ts'
import { Outcomes } from './outcomes.ts'
import { Rejection } from './rejection.ts'
import { Snapshots } from './snapshots.ts'
import type { AggregateEvent, LoadedAggregate } from './types.ts'

/** What the aggregates of an app work with. */
export interface AggregatesHost {
  readonly store: Store
  readonly registry: Registry
  readonly preparer: Preparer
  readonly decoder: Decoder
  readonly codec: Codec | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
}

/** Instead of the name of a command, for a decision on several aggregates. */
const TOGETHER = '*'

/** The aggregates of an app: what `app.execute`, `app.decide` and `app.load` do. */
export class Aggregates {
  readonly #registry: Registry
  readonly #store: Store
  readonly #clock: Clock
  readonly #loader: Loader
  readonly #snapshots: Snapshots
  readonly #outcomes: Outcomes
  readonly #executor: Executor
  readonly #bound = new Map<string, BoundAggregate>()

  constructor({ store, registry, preparer, decoder, codec, clock, logger, random }: AggregatesHost) {
    const collections = new Collections(store)
    this.#registry = registry
    this.#store = store
    this.#clock = clock
    this.#snapshots = new Snapshots(store, collections, codec, logger)
    this.#loader = new Loader(store, decoder, this.#snapshots)
    this.#outcomes = new Outcomes(store, collections, codec, clock)
    this.#executor = new Executor({
      ...{ store, preparer, decoder, clock, random },
      ...{ loader: this.#loader, snapshots: this.#snapshots, outcomes: this.#outcomes },
    })
  }

  async execute(aggregate: AnyAggregate, id: string, command: string, input?: unknown, options: ExecuteOptions = {}) {
    const subject = this.#subject(aggregate, id)
    assertExecuteOptions('execute', options)
    const { commands, name } = subject.bound.aggregate
    const decide = Object.hasOwn(commands, command) ? commands[command] : undefined
    if (decide === undefined) {
      const known = Object.keys(commands).join(', ')
      throw new HodisaError('invalid-option', `aggregate ${name} has no command ${command}, but ${known}`, {
        option: 'command',
      })
    }
    const what = `command ${command}`
    const outcome = await this.#executor.run({
      subjects: [subject],
      what,
      options,
      claim: options.id === undefined ? undefined : this.#outcomes.claim([subject.stream], command, options.id, input),
      decide: async ([standing]) => {
        const { state, revision } = standing ?? subject.bound.start
        const decision = decided(
          subject.bound.aggregate,
          what,
          await decide(state as never, input as never, { id, revision }),
        )
        return decision instanceof Rejection ? decision : [decision]
      },
    })
    const [result] = outcome.results
    return { ...resultOf(result), receipt: outcome.receipt, ...rejectionOf(outcome) }
  }

  async decide(
    of: readonly (readonly [AnyAggregate, string])[],
    decide: (...states: readonly unknown[]) => unknown,
    options: DecideOptions = {},
  ) {
    const subjects = this.#subjects(of)
    assertFunction('decide', decide)
    assertExecuteOptions('decide', options)
    const { id, input, ...others } = options
    const streams = subjects.map(({ stream }) => stream)
    const outcome = await this.#executor.run({
      subjects,
      what: 'a decision',
      options: others,
      claim: id === undefined ? undefined : this.#outcomes.claim(streams, TOGETHER, id, input),
      decide: async (standings) => {
        const returned = await decide(...standings.map(({ state }) => state))
        if (returned instanceof Rejection) return returned
        if (!Array.isArray(returned) || returned.length !== subjects.length) {
          throw invalid(
            streams.join(' and '),
            'a decision',
            `must return one entry for each of ${subjects.length} aggregates`,
          )
        }
        const decisions: (readonly NewEvent[])[] = []
        for (const [index, { bound }] of subjects.entries()) {
          const decision = decided(bound.aggregate, 'a decision', returned[index])
          if (decision instanceof Rejection) return decision
          decisions.push(decision)
        }
        return decisions
      },
    })
    return { results: outcome.results.map(resultOf), receipt: outcome.receipt, ...rejectionOf(outcome) }
  }

  async load(aggregate: AnyAggregate, id: string, options: LoadOptions = {}): Promise<LoadedAggregate<unknown>> {
    const subject = this.#subject(aggregate, id)
    const moment = momentOf(options)
    if (moment === undefined) return loaded(await this.#loader.current(subject))
    const revision = 'time' in moment ? await this.#loader.revisionAt(subject, moment.time) : moment.revision
    return loaded(await this.#loader.at(subject, revision))
  }

  /** Resolves when what is being executed is over, or its time is, and every snapshot that was due is kept. */
  async stop(timeout: number): Promise<void> {
    let cancel = () => {}
    const over = new Promise<void>((resolve) => {
      cancel = this.#clock.after(timeout, resolve)
    })
    await Promise.race([this.#executor.idle(), over])
    cancel()
    await this.#snapshots.stop()
  }

  #subjects(of: unknown): readonly Subject[] {
    if (!Array.isArray(of) || of.length === 0) {
      throw invalidOption('decide', 'takes a list such as [[Account, "a"], [Account, "b"]]', of)
    }
    const subjects = of.map((each: unknown) => {
      if (!Array.isArray(each)) throw invalidOption('decide', 'takes pairs of an aggregate and an id', each)
      return this.#subject(each[0], each[1])
    })
    if (new Set(subjects.map(({ stream }) => stream)).size < subjects.length) {
      throw new HodisaError('invalid-option', 'decide takes each aggregate once', { option: 'decide' })
    }
    if (subjects.length > 1 && !this.#store.capabilities.multiStreamAppend) {
      const { engine } = this.#store
      const capability = 'multiStreamAppend'
      const message = `the ${engine} engine cannot append to several streams at once, so a decision takes one aggregate`
      throw new HodisaError('capability-missing', message, { engine, capability })
    }
    return subjects
  }

  #subject(aggregate: AnyAggregate, id: unknown): Subject {
    const bound = this.#bind(aggregate)
    if (typeof id !== 'string' || id === '') {
      throw invalidOption('id', `of an aggregate ${bound.name} must be a text that is not empty`, id)
    }
    const stream = `${bound.name}-${id}`
    assertStream(stream)
    return { bound, id, stream }
  }

  #bind(aggregate: AnyAggregate): BoundAggregate {
    if (typeof aggregate?.name !== 'string' || typeof aggregate.commands !== 'object') {
      throw invalidOption('aggregate', 'must be what defineAggregate returned', aggregate)
    }
    const { name } = aggregate
    const before = this.#bound.get(name)
    if (before?.aggregate === aggregate) return before
    if (before !== undefined) {
      throw new HodisaError('duplicate-definition', `aggregate ${name} is defined twice`, { aggregate: name })
    }
    const bound = new BoundAggregate(aggregate, this.#registry)
    this.#bound.set(name, bound)
    return bound
  }
}

function resultOf(result: Outcome['results'][number] | undefined): {
  readonly state: unknown
  readonly revision: number
  readonly events: readonly AggregateEvent[]
} {
  return { state: result?.standing.state, revision: result?.standing.revision ?? 0, events: result?.events ?? [] }
}

function rejectionOf({ rejection }: Outcome) {
  return rejection === undefined ? {} : { rejection }
}

function loaded({ state, revision }: Standing): LoadedAggregate<unknown> {
  return { state, revision, exists: revision > 0 }
}

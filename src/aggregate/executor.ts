import { AsyncLocalStorage } from 'node:async_hooks'
import { HodisaError } from '../errors.ts'
import { deepFreeze } from '../event/frozen.ts'
import type { NewEvent } from '../event/types.ts'
import type { Decoder } from '../log/decode.ts'
import type { Preparer } from '../log/prepare.ts'
import type { EventToAppend, Receipt } from '../store/events.ts'
import type { Clock, Store } from '../store/port.ts'
import { type Standing, timelineOf } from './bound.ts'
import { assertOwn } from './decision.ts'
import { inStream, type Loader, type Subject } from './loader.ts'
import type { ExecuteOptions } from './options.ts'
import type { Claim, FirstOutcome, Outcomes } from './outcomes.ts'
import { assertExpected, gaveUp, Overtaken, overtakable, revisionsOf } from './overtaken.ts'
import { Rejection } from './rejection.ts'
import type { Snapshots } from './snapshots.ts'
import { StreamTurns } from './stream-turns.ts'
import type { AggregateEvent } from './types.ts'

/** Many, because whoever was first has the state at hand and is likely to be first again. */
const ATTEMPTS = 50
/** Longest wait before a decision is made again. Ms. */
const LONGEST_WAIT = 16

/** Something to be decided, on one aggregate or on several at once. */
export interface Task {
  readonly subjects: readonly Subject[]
  /** The command, or what stands for it, in errors. */
  readonly what: string
  readonly options: ExecuteOptions
  readonly claim: Claim | undefined
  decide(standings: readonly Standing[]): Promise<Decisions>
}

/** Events for each of the subjects, or a rejection of the whole. */
export type Decisions = readonly (readonly NewEvent[])[] | Rejection

/** What came of it, for each of its subjects. */
export interface Outcome {
  readonly results: readonly { readonly standing: Standing; readonly events: readonly AggregateEvent[] }[]
  readonly receipt: Receipt
  readonly rejection: Rejection | undefined
}

/** What the executor works with. */
export interface ExecutorHost {
  readonly store: Store
  readonly preparer: Preparer
  readonly decoder: Decoder
  readonly loader: Loader
  readonly snapshots: Snapshots
  readonly outcomes: Outcomes
  readonly clock: Clock
  /** From 0 to below 1. */
  readonly random: () => number
}

/**
 * Loads, decides, and appends with the exact revision: what was decided on a state that is not the newest any more is decided
 * again. A state at hand is trusted no further than that: what appends nothing makes sure that nobody wrote since.
 */
export class Executor {
  readonly #host: ExecutorHost
  readonly #turns = new StreamTurns()
  /** What is being decided by the code that runs. */
  readonly #deciding = new AsyncLocalStorage<string>()
  #nothing: Promise<Receipt> | undefined
  #running = 0
  #idle: (() => void)[] = []

  constructor(host: ExecutorHost) {
    this.#host = host
  }

  async run(task: Task): Promise<Outcome> {
    const outer = this.#deciding.getStore()
    if (outer !== undefined) {
      // It would wait for a turn that is not given up before it is over.
      throw new HodisaError('nested-execution', `${task.what} was executed inside ${outer}`, { what: task.what, outer })
    }
    this.#running++
    const release = await this.#turns.take(task.subjects.map(({ stream }) => stream))
    try {
      return await this.#run(task)
    } catch (error) {
      // Whether it was recorded may be unknown.
      for (const { bound, stream } of task.subjects) bound.states.forget(stream)
      throw error
    } finally {
      release()
      this.#running--
      if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve()
    }
  }

  /** Resolves when nothing is executed. */
  idle(): Promise<void> {
    return this.#running === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve))
  }

  async #run(task: Task): Promise<Outcome> {
    const { attempts = ATTEMPTS } = task.options
    let atHand = this.#atHand(task)
    for (let attempt = 0; ; ) {
      const fresh = atHand === undefined
      if (fresh) attempt++ // a state at hand that is old does not count
      const standings = atHand ?? (await this.#load(task))
      // Looked for only now: a state that holds what the same command recorded elsewhere is none to decide it on.
      const first = task.claim && (await this.#host.outcomes.find(task.claim))
      if (first !== undefined) return this.#repeated(task, first)
      try {
        return await this.#attempt(task, standings, fresh)
      } catch (error) {
        if (!(error instanceof Overtaken)) throw error
        if (attempt >= attempts) throw gaveUp(task, attempt, error.by)
        if (attempt > 1) await this.#wait(attempt)
        atHand = undefined
      }
    }
  }

  /** Undefined where one of the states is not at hand. */
  #atHand({ subjects }: Task): readonly Standing[] | undefined {
    const standings: Standing[] = []
    const { timeline } = this.#host.loader
    for (const { bound, stream } of subjects) {
      const recent = bound.states.get(stream, timeline)
      if (recent === undefined) return undefined
      standings.push(recent)
    }
    return standings
  }

  /** As the store has them now. */
  #load({ subjects }: Task): Promise<readonly Standing[]> {
    return Promise.all(subjects.map((subject) => this.#host.loader.current(subject)))
  }

  async #attempt(task: Task, standings: readonly Standing[], fresh: boolean): Promise<Outcome> {
    let decision: Decisions
    try {
      assertExpected(task, standings)
      decision = await this.#deciding.run(task.what, () => task.decide(standings))
    } catch (error) {
      if (!fresh) await this.#assertNewest(task, standings)
      throw error
    }
    if (!(decision instanceof Rejection) && decision.some((events) => events.length > 0)) {
      return this.#record(task, standings, decision)
    }
    const rejection = decision instanceof Rejection ? decision : undefined
    const results = standings.map((standing) => ({ standing, events: [] }))
    if (task.claim !== undefined) {
      const receipt = await overtakable(this.#host.outcomes.keep(task.claim, standings, rejection))
      return { results, receipt, rejection }
    }
    if (task.subjects.length > 1) {
      // Each was loaded at its own moment: only the store knows whether they ever stood like that together.
      const request = { events: [], conditions: revisionsOf(task, standings), timeline: timelineOf(standings) }
      const receipt = await overtakable(this.#host.store.append({ ...request, onReuse: 'refuse' }))
      return { results, receipt, rejection }
    }
    if (!fresh) await this.#assertNewest(task, standings)
    return { results, receipt: await this.#noReceipt(), rejection }
  }

  async #assertNewest(task: Task, standings: readonly Standing[]): Promise<void> {
    const newest = await this.#load(task)
    const isSame = (one: Standing, other?: Standing) =>
      one.revision === other?.revision && one.timeline === other.timeline
    if (!newest.every((standing, index) => isSame(standing, standings[index]))) throw new Overtaken()
  }

  async #record(task: Task, standings: readonly Standing[], decision: readonly (readonly NewEvent[])[]) {
    const { store, snapshots, outcomes } = this.#host
    const { events, results } = await this.#prepare(task, standings, decision)
    const conditions = revisionsOf(task, standings)
    if (task.claim !== undefined) conditions.push(outcomes.condition(task.claim))
    const timeline = timelineOf(standings)
    const receipt = await overtakable(store.append({ events, conditions, timeline, onReuse: 'refuse' }))
    if (receipt.duplicate) throw new Overtaken() // by the same command, elsewhere
    for (const [index, { bound, stream }] of task.subjects.entries()) {
      const standing = results[index]?.standing
      if (standing === undefined) continue
      bound.states.put(stream, standing)
      snapshots.consider(bound, stream, standing)
    }
    return { results, receipt, rejection: undefined }
  }

  /** Nothing is recorded before it is known that `evolve` takes it. */
  async #prepare(task: Task, standings: readonly Standing[], decision: readonly (readonly NewEvent[])[]) {
    const { preparer, decoder } = this.#host
    const { claim, options } = task
    const { causationId, metadata } = options
    let { correlationId } = options
    const events: EventToAppend[] = []
    const results: Outcome['results'][number][] = []
    for (const [index, subject] of task.subjects.entries()) {
      let standing = standings[index] ?? subject.bound.start
      const recorded: AggregateEvent[] = []
      for (const event of decision[index] ?? []) {
        const made = preparer.prepare(event, {
          stream: subject.stream,
          ...(claim !== undefined && { id: claim.eventId(events.length) }),
          ...(correlationId !== undefined && { correlationId }),
          ...(causationId !== undefined && { causationId }),
          ...(metadata !== undefined && { metadata }),
        })
        const prepared = made instanceof Promise ? await made : made
        correlationId ??= prepared.correlationId // one for all that the command records
        events.push(claim === undefined ? prepared : { ...prepared, fingerprint: claim.fingerprint })
        // As it will be read.
        const timestamp = Math.max(standing.timestamp, prepared.timestamp)
        const place = { stream: subject.stream, revision: standing.revision + 1, timestamp, position: 0, recordedAt: 0 }
        const decoded = decoder.decode({ ...prepared, ...place })
        const seen = inStream(decoded instanceof Promise ? await decoded : decoded)
        standing = after(task, subject, standing, seen, timestamp)
        recorded.push(seen)
      }
      results.push({ standing: { ...standing, state: deepFreeze(standing.state) }, events: recorded })
    }
    return { events, results }
  }

  async #repeated({ subjects }: Task, first: FirstOutcome): Promise<Outcome> {
    const { loader, decoder } = this.#host
    const results = await Promise.all(
      subjects.map(async (subject, index) => {
        const own = first.stored.filter(({ stream }) => stream === subject.stream)
        const last = own.at(-1)
        const recordedAt = first.stored[0]?.recordedAt
        const revision =
          'revisions' in first
            ? (first.revisions[index] ?? 0)
            : (last?.revision ?? (await loader.revisionAt(subject, recordedAt ?? 0)))
        const decoded = await Promise.all(own.map((stored) => decoder.parts(stored)))
        return { standing: await loader.at(subject, revision), events: decoded.flat().map(inStream) }
      }),
    )
    if ('receipt' in first) return { results, receipt: first.receipt, rejection: undefined }
    return { results, receipt: await this.#noReceipt(), rejection: first.rejection }
  }

  /** The receipt of a write that records nothing, which is the same for all. */
  #noReceipt(): Promise<Receipt> {
    if (this.#nothing === undefined) {
      this.#nothing = this.#host.store.append({ events: [], conditions: [], onReuse: 'refuse' })
      this.#nothing.catch(() => {
        this.#nothing = undefined
      })
    }
    return this.#nothing
  }

  /** Whoever was overtaken often leaves more room to the others. */
  #wait(attempt: number): Promise<void> {
    const { clock, random } = this.#host
    const ms = random() * Math.min(LONGEST_WAIT, attempt)
    return new Promise((resolve) => clock.after(ms, resolve))
  }
}

/** The state after an event that is about to be recorded. */
function after({ what }: Task, { bound, stream }: Subject, before: Standing, event: AggregateEvent, timestamp: number) {
  assertOwn(bound, what, event.type, event.data, stream)
  const state = bound.after(before.state, event)
  return { ...before, state, revision: event.revision, timestamp, event: event.id }
}

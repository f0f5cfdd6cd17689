import { isHodisaError } from '../../errors.ts'
import type { AppendRequest, Receipt } from '../../store/events.ts'
import { assertInline } from '../../store/inline.ts'
import { assertSize } from '../../store/plan-append.ts'
import type { Capabilities } from '../../store/port.ts'
import { BatchPlan, type IdRow, idName, type PlacedEvent, placedEvent, receiptOf, tenantOf } from './batch-plan.ts'
import { BatchWriter, type HeadRow, type Refusal } from './batch-writer.ts'
import type { Database } from './database.ts'
import { closed } from './errors.ts'
import type { Inlines } from './inlines.ts'
import { type StreamHeads, streamName } from './stream-heads.ts'
import { type Pending, WaitingLine } from './waiting-line.ts'

/** Batches that are under way at the same time, each on a connection. */
const MOST_AT_ONCE = 2

export interface AppenderSetup {
  readonly limits: Capabilities
  readonly durable: boolean
  readonly timeline: () => number
  /** Called after each commit. */
  readonly committed: () => void
  /** Writes what cannot share a transaction. */
  readonly alone: (request: AppendRequest) => Promise<Receipt>
}

/**
 * Group commit: what waits when a connection is free shares a transaction. Batches are planned on what this process knows, and
 * the server checks that it still holds, so that an append is one round trip; what was out of date is learnt and planned again.
 */
export class Appender {
  readonly #database: Database
  readonly #heads: StreamHeads
  readonly #inlines: Inlines
  readonly #writer: BatchWriter
  readonly #line: WaitingLine
  readonly #limits: Capabilities
  readonly #timeline: () => number
  readonly #committed: () => void
  readonly #alone: (request: AppendRequest) => Promise<Receipt>
  #underWay = 0
  /** Whether the rest of what was asked for together waits for a batch to be written. */
  #isCut = false
  #beside = 0
  #scheduled = false
  #cancelTimer: (() => void) | undefined
  #closing = false
  #idle: (() => void) | undefined

  constructor(
    database: Database,
    heads: StreamHeads,
    inlines: Inlines,
    { limits, durable, timeline, committed, alone }: AppenderSetup,
  ) {
    this.#database = database
    this.#heads = heads
    this.#inlines = inlines
    this.#writer = new BatchWriter(database, durable, timeline)
    this.#line = new WaitingLine(database.patience)
    this.#limits = limits
    this.#timeline = timeline
    this.#committed = committed
    this.#alone = alone
  }

  append(request: AppendRequest): Promise<Receipt> {
    if (this.#closing) return Promise.reject(closed(this.#database.patience.where))
    const receipt = this.#line.add(request)
    this.#schedule()
    return receipt
  }

  /** Finishes what was accepted. */
  async close(): Promise<void> {
    this.#closing = true
    if (!this.#isIdle()) await new Promise<void>((done) => (this.#idle = done))
  }

  #isIdle(): boolean {
    return this.#line.isEmpty && this.#underWay === 0 && this.#beside === 0
  }

  /** After everybody who resumes in this turn has handed in what comes next. */
  #schedule(): void {
    if (this.#scheduled || this.#underWay >= MOST_AT_ONCE) return
    this.#scheduled = true
    queueMicrotask(() =>
      process.nextTick(() => {
        this.#scheduled = false
        this.#start()
      }),
    )
  }

  #start(): void {
    while (this.#underWay < MOST_AT_ONCE && !this.#isCut) {
      const { batch, beside, names, pause, isCut } = this.#line.take()
      for (const pending of beside) void this.#runBeside(pending)
      if (batch.length === 0) {
        if (pause !== undefined) this.#startAfter(pause)
        break
      }
      this.#underWay += 1
      this.#isCut = isCut
      void this.#run(batch, names).finally(() => {
        this.#underWay -= 1
        if (isCut) this.#isCut = false
        this.#line.release(names)
        this.#start()
      })
    }
    if (this.#isIdle()) this.#idle?.()
  }

  #startAfter(ms: number): void {
    this.#cancelTimer?.()
    this.#cancelTimer = this.#database.patience.clock.after(Math.max(1, Math.ceil(ms)), () => this.#start())
  }

  /** It may wait for others, who hold what it needs. */
  async #runBeside({ request, names, resolve, reject }: Pending): Promise<void> {
    this.#beside += 1
    await this.#alone(request).then(resolve, reject)
    this.#line.release(names)
    this.#beside -= 1
    this.#start()
  }

  async #run(batch: readonly Pending[], names: ReadonlySet<string>): Promise<void> {
    let rest = batch
    try {
      const began = performance.now()
      const { plan, planned, unsure } = this.#plan(rest)
      rest = [...planned.keys(), ...unsure]
      if (unsure.length > 0) await this.#lookUp(unsure, began)
      const number = planned.size === 0 ? undefined : await this.#write(plan, [...planned.keys()])
      if (number !== undefined) {
        for (const { stream, tenant, head } of plan.streams) {
          if (head.revision > 0) this.#heads.set(streamName(stream, tenant), { ...head, seenAt: began })
        }
        for (const [pending, request] of planned) pending.resolve(receiptOf([request], number))
        rest = unsure
      }
      this.#line.putBack(rest)
    } catch (error) {
      for (const name of names) this.#heads.forget(name)
      if (rest.length > 1 && isOfOne(error)) {
        // Each by itself from now on: it fails with nobody.
        this.#line.postpone(rest)
        this.#line.putBack(rest)
        return
      }
      for (const pending of rest) pending.reject(error)
    }
  }

  /** Plans what can be planned; refuses what is refused for sure. */
  #plan(batch: readonly Pending[]) {
    const knownNow = new Map<string, PlacedEvent>()
    for (const { known } of batch) for (const [name, event] of known) knownNow.set(name, event)
    const plan = new BatchPlan(this.#timeline(), {
      head: (stream, tenant) => this.#heads.get(streamName(stream, tenant)) ?? { revision: 0, timestamp: 0 },
      known: (id, tenant) => knownNow.get(idName(id, tenant)),
      hasDocument: () => false,
    })
    const planned = new Map<Pending, ReturnType<BatchPlan['add']>>()
    const unsure: Pending[] = []
    for (const pending of batch) {
      const { request } = pending
      try {
        const one = plan.add(request, (fresh) => {
          assertSize(request, this.#limits)
          assertInline(fresh, request, this.#inlines.registered)
        })
        planned.set(pending, one)
      } catch (error) {
        if (this.#isSure(error, pending, plan)) pending.reject(error)
        else unsure.push(pending)
      }
    }
    return { plan, planned, unsure }
  }

  /** Whether a refusal stands on what was so after the append was asked for. */
  #isSure(error: unknown, { request, since, idsSeen }: Pending, plan: BatchPlan): boolean {
    if (!isHodisaError(error) || error.code === 'store-behind') return true
    if (plan.touches(request)) return false
    if (error.code === 'inline-missing') return this.#inlines.seenAt >= since
    if (error.code !== 'revision-conflict') return true
    // Ids come before revisions.
    if (!idsSeen && request.events.some(({ fingerprint }) => fingerprint !== null)) return false
    return request.conditions.every((condition) => {
      if (condition.kind !== 'expectedRevision') return true
      const seen = this.#heads.get(streamName(condition.stream, tenantOf(request)))
      return (seen?.seenAt ?? Number.NEGATIVE_INFINITY) >= since
    })
  }

  /** Learns how the streams stand that conditions name, and which ids are recorded. */
  async #lookUp(pending: readonly Pending[], began: number): Promise<void> {
    const wanted = new Map<string, [string, string]>()
    const ids: [string, string][] = []
    for (const { request } of pending) {
      const tenant = tenantOf(request)
      for (const { id, fingerprint } of request.events) if (fingerprint !== null) ids.push([id, tenant])
      for (const condition of request.conditions) {
        if (condition.kind === 'expectedRevision') {
          wanted.set(streamName(condition.stream, tenant), [condition.stream, tenant])
        }
      }
    }
    const seenAt = performance.now()
    if (pending.some(({ since }) => this.#inlines.seenAt < since) && this.#inlines.registered.length > 0) {
      await this.#inlines.refresh()
    }
    const found = await this.#writer.lookUp([...wanted.values()], ids)
    for (const name of wanted.keys()) this.#heads.set(name, { revision: 0, timestamp: 0, seenAt })
    this.#learnHeads(found.streams, Math.max(began, seenAt))
    for (const one of pending) {
      learnIds(one, found.ids)
      one.idsSeen = true
    }
  }

  #learnHeads(rows: readonly HeadRow[], seenAt: number): void {
    for (const [stream, tenant, revision, timestamp] of rows) {
      this.#heads.set(streamName(stream, tenant), { revision, timestamp, seenAt })
    }
  }

  /** The number of the batch; undefined where something stood against it. */
  async #write(plan: BatchPlan, batch: readonly Pending[]): Promise<number | undefined> {
    const outcome = await this.#writer.write(plan, this.#inlines.version)
    if ('batch' in outcome) {
      if (plan.count > 0) this.#committed()
      return outcome.batch
    }
    if ('refusal' in outcome) await this.#learn(outcome.refusal, batch, outcome.seenAt)
    else {
      for (const { stream, tenant } of plan.streams) this.#heads.forget(streamName(stream, tenant))
      this.#line.postpone(batch)
    }
    return undefined
  }

  async #learn({ failing = [], streams = [], ids = [], inlines }: Refusal, batch: readonly Pending[], seenAt: number) {
    if (inlines === true) {
      await this.#inlines.refresh()
      return
    }
    const held = new Set<string>()
    const actual = new Map(streams.map((row) => [streamName(row[0], row[1]), row]))
    for (const one of failing) {
      if (typeof one === 'string') {
        held.add(one)
        continue
      }
      const name = streamName(one[0], one[1])
      const known = this.#heads.get(name)?.revision ?? 0
      if ((actual.get(name)?.[2] ?? 0) === known) held.add(name)
      else if (!actual.has(name)) this.#heads.forget(name)
    }
    this.#learnHeads(streams, seenAt)
    for (const pending of batch) learnIds(pending, ids)
    const isHeld = (name: string) => held.has(name)
    this.#line.postpone(
      batch.filter((one) => one.names.some(isHeld) || one.request.events.some(({ id }) => isHeld(id))),
    )
  }
}

function learnIds({ known }: Pending, rows: readonly IdRow[]): void {
  for (const row of rows) known.set(idName(row[0], row[1]), placedEvent(row))
}

/** Whether something in what was sent is at fault, not the server or the way to it. */
function isOfOne(error: unknown): boolean {
  return !isHodisaError(error) || !error.code.startsWith('store-')
}

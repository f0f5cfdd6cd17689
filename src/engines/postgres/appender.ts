import { randomBytes } from 'node:crypto'
import { HodisaError, isHodisaError } from '../../errors.ts'
import type { AppendRequest, Receipt } from '../../store/events.ts'
import { assertInline } from '../../store/inline.ts'
import { assertSize } from '../../store/plan-append.ts'
import type { Capabilities } from '../../store/port.ts'
import { BatchPlan, type IdRow, idName, type PlacedEvent, placedEvent, receiptOf, tenantOf } from './batch-plan.ts'
import type { Database } from './database.ts'
import { closed, isCollision, isLost, stateOf } from './errors.ts'
import type { Inlines } from './inlines.ts'
import { type StreamHeads, streamName } from './stream-heads.ts'

/** Batches that are under way at the same time, each on a connection. */
const MOST_AT_ONCE = 2
const MOST_REQUESTS = 500
/** Requests that are worth more than one batch. */
const SPLIT = 32
const MOST_EVENTS = 2_000
const MOST_UNITS = 4 * 1024 * 1024
/** The longest pause before what another transaction holds is tried again, in ms. */
const LONGEST_PAUSE = 40

const APPEND = `select batch, refusal from hodisa.append($1::jsonb, $2::jsonb, $3::jsonb, $4::integer, $5::bigint, $6::bigint, $7::boolean, $8::bigint)`
const LOOK_UP = `select
  (select coalesce(jsonb_agg(jsonb_build_array(s.stream, s.tenant, s.revision, s.timestamp)), '[]')
    from jsonb_array_elements($1::jsonb) r join hodisa.streams s on s.stream = r->>0 and s.tenant = r->>1),
  (select coalesce(jsonb_agg(jsonb_build_array(g.id, g.tenant, g.fingerprint, g.version, g.batch, g.ordinal, g.bucket, g.revision,
      g.type, g.stream)), '[]')
    from jsonb_array_elements($2::jsonb) r join hodisa.given_ids g on g.id = r->>0 and g.tenant = r->>1)`

/** An append that waits for its batch. */
interface Pending {
  readonly request: AppendRequest
  readonly since: number
  readonly units: number
  /** Ids it gives that are recorded. */
  readonly known: Map<string, PlacedEvent>
  /** Whether `known` is all there is, as of a moment after it was asked for. */
  idsSeen: boolean
  /** Monotonic ms before which it is not tried again. */
  notBefore: number
  /** Ms it waited last time; 0 while nothing was in its way. */
  pause: number
  refused: boolean
  readonly resolve: (receipt: Receipt) => void
  readonly reject: (error: unknown) => void
}

/** [stream, tenant, revision, timestamp] */
export type HeadRow = [string, string, number, number]
/** What stood against a batch. */
interface Refusal {
  /** Streams or ids: changed since, or held by another transaction. */
  readonly failing?: readonly ([string, string] | string)[]
  readonly streams?: readonly HeadRow[]
  readonly ids?: readonly IdRow[]
  readonly inlines?: true
}

type AppendRow = [batch: number | null, refusal: Refusal | null]

export interface AppenderSetup {
  readonly limits: Capabilities
  readonly durable: boolean
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
  readonly #limits: Capabilities
  readonly #durable: boolean
  readonly #committed: () => void
  readonly #alone: (request: AppendRequest) => Promise<Receipt>
  #waiting: Pending[] = []
  /** Streams and ids of the batches under way. */
  readonly #busy = new Set<string>()
  #underWay = 0
  #beside = 0
  #scheduled = false
  #cancelTimer: (() => void) | undefined
  #closing = false
  #idle: (() => void) | undefined

  constructor(
    database: Database,
    heads: StreamHeads,
    inlines: Inlines,
    { limits, durable, committed, alone }: AppenderSetup,
  ) {
    this.#database = database
    this.#heads = heads
    this.#inlines = inlines
    this.#limits = limits
    this.#durable = durable
    this.#committed = committed
    this.#alone = alone
  }

  append(request: AppendRequest): Promise<Receipt> {
    if (this.#closing) return Promise.reject(closed(this.#database.patience.where))
    return new Promise((resolve, reject) => {
      tenantOf(request) // what it refuses is refused before anybody shares a batch with it
      const since = performance.now()
      const units = unitsOf(request)
      this.#waiting.push({
        request,
        since,
        units,
        known: new Map(),
        idsSeen: false,
        notBefore: 0,
        pause: 0,
        refused: false,
        resolve,
        reject,
      })
      this.#schedule()
    })
  }

  /** Finishes what was accepted. */
  async close(): Promise<void> {
    this.#closing = true
    if (!this.#isIdle()) await new Promise<void>((done) => (this.#idle = done))
  }

  #isIdle(): boolean {
    return this.#waiting.length === 0 && this.#underWay === 0 && this.#beside === 0
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
    while (this.#underWay < MOST_AT_ONCE) {
      const taken = this.#take(this.#underWay === 0 ? shareOf(this.#waiting.length) : MOST_REQUESTS)
      if (taken === undefined) break
      this.#underWay += 1
      void this.#run(taken.batch, taken.names).finally(() => {
        this.#underWay -= 1
        for (const name of taken.names) this.#busy.delete(name)
        this.#start()
      })
    }
    if (this.#isIdle()) this.#idle?.()
  }

  /** Whoever comes first, but for what touches a batch under way, or what has to wait for others. */
  /** @param most requests */
  #take(most: number): { readonly batch: Pending[]; readonly names: ReadonlySet<string> } | undefined {
    const now = performance.now()
    const batch: Pending[] = []
    const left: Pending[] = []
    const names = new Set<string>()
    let events = 0
    let units = 0
    let soonest = Number.POSITIVE_INFINITY
    const behind = new Set<string>()
    for (const pending of this.#waiting) {
      const touched = namesOf(pending.request)
      const full =
        batch.length >= most || events >= MOST_EVENTS || (units + pending.units > MOST_UNITS && batch.length > 0)
      const beside = isAlone(pending.request)
      // What was held by another transaction goes by itself, so that nobody fails with it.
      const alone = pending.pause > 0
      const isTaken = (name: string) => this.#busy.has(name) || behind.has(name) || (beside && names.has(name))
      const early = pending.notBefore > now
      if (early) soonest = Math.min(soonest, pending.notBefore)
      if (full || early || (alone && batch.length > 0) || touched.some(isTaken)) {
        left.push(pending)
        // Nobody overtakes another one on the same stream.
        for (const name of touched) behind.add(name)
        continue
      }
      if (beside) {
        void this.#runAlone(pending, touched)
        continue
      }
      batch.push(pending)
      for (const name of touched) names.add(name)
      events += alone ? MOST_EVENTS : pending.request.events.length
      units += pending.units
    }
    this.#waiting = left
    if (batch.length === 0) {
      if (soonest < Number.POSITIVE_INFINITY) this.#startAt(soonest - now)
      return undefined
    }
    for (const name of names) this.#busy.add(name)
    return { batch, names }
  }

  /** Beside the batches: it may wait for others, who hold what it needs. */
  async #runAlone({ request, resolve, reject }: Pending, names: readonly string[]): Promise<void> {
    this.#beside += 1
    for (const name of names) this.#busy.add(name)
    await this.#alone(request).then(resolve, reject)
    for (const name of names) this.#busy.delete(name)
    this.#beside -= 1
    this.#start()
  }

  #startAt(ms: number): void {
    this.#cancelTimer?.()
    this.#cancelTimer = this.#database.patience.clock.after(Math.max(1, Math.ceil(ms)), () => this.#start())
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
        for (const change of plan.streams) {
          if (change.head.revision > 0) {
            this.#heads.set(streamName(change.stream, change.tenant), { ...change.head, seenAt: began })
          }
        }
        for (const [pending, request] of planned) pending.resolve(receiptOf([request], number))
        rest = unsure
      }
      this.#waiting.unshift(...rest.filter(({ refused }) => !refused))
    } catch (error) {
      for (const name of names) this.#heads.forget(name)
      if (rest.length > 1 && isOfOne(error)) {
        // Each by itself from now on: it fails with nobody.
        this.#postpone(rest)
        this.#waiting.unshift(...rest.filter(({ refused }) => !refused))
        return
      }
      for (const pending of rest) pending.reject(error)
    }
  }

  /** Plans what can be planned; refuses what is refused for sure. */
  #plan(batch: readonly Pending[]) {
    const knownNow = new Map<string, PlacedEvent>()
    for (const { known } of batch) for (const [name, event] of known) knownNow.set(name, event)
    const plan = new BatchPlan({
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
    if (!isHodisaError(error)) return true
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
    const asked = [JSON.stringify([...wanted.values()]), JSON.stringify(ids)]
    const [row] = await this.#database.query<[HeadRow[], IdRow[]]>(LOOK_UP, asked)
    for (const name of wanted.keys()) this.#heads.set(name, { revision: 0, timestamp: 0, seenAt })
    this.#learnHeads(row?.[0] ?? [], Math.max(began, seenAt))
    for (const one of pending) {
      learnIds(one, row?.[1] ?? [])
      one.idsSeen = true
    }
  }

  #learnHeads(rows: readonly HeadRow[], seenAt: number): void {
    for (const [stream, tenant, revision, timestamp] of rows) {
      this.#heads.set(streamName(stream, tenant), { revision, timestamp, seenAt })
    }
  }

  /** The number of the batch; 0 where there was nothing to write, undefined where something stood against it. */
  async #write(plan: BatchPlan, batch: readonly Pending[]): Promise<number | undefined> {
    const call = plan.call()
    if (call.count === 0 && call.streams === '[]') return 0
    const isCheck = call.count === 0
    const began = performance.now()
    for (;;) {
      const attempt = randomBytes(8).readBigInt64BE()
      const seenAt = performance.now()
      let row: AppendRow | undefined
      try {
        const values = [
          call.streams,
          call.ids,
          call.events,
          call.count,
          this.#inlines.version,
          attempt.toString(),
          this.#durable,
          Math.floor(this.#database.patience.clock.now()),
        ]
        // What only checks may be sent twice.
        const rows = isCheck
          ? this.#database.query<AppendRow>(APPEND, values)
          : this.#database.once<AppendRow>(APPEND, values)
        ;[row] = await rows
      } catch (error) {
        if (isOvertaken(error)) {
          // What the locks do not cover in a very large batch; the index does.
          for (const { stream, tenant } of plan.streams) this.#heads.forget(streamName(stream, tenant))
          this.#postpone(batch)
          return undefined
        }
        if (isCheck || !isUnknownOutcome(error)) throw error
        const found = await this.#settle(attempt, call.events)
        if (found === null && performance.now() - began > this.#database.patience.busyTimeout) throw error
        if (found === null) continue
        row = [found, null]
      }
      if (row === undefined) throw new Error('hodisa.append returned no row')
      const [number, refusal] = row
      if (refusal === null) {
        if (call.count > 0) this.#committed()
        return number ?? 0
      }
      await this.#learn(refusal, batch, seenAt)
      return undefined
    }
  }

  /** The batch that was written after all; null when it never will be. */
  async #settle(attempt: bigint, events: string): Promise<number | null> {
    const values = [attempt.toString(), events]
    const [row] = await this.#database.query<[number | null]>('select hodisa.settle($1::bigint, $2::jsonb)', values)
    return row?.[0] ?? null
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
    this.#postpone(
      batch.filter(({ request }) => namesOf(request).some(isHeld) || request.events.some(({ id }) => isHeld(id))),
    )
  }

  /** Another transaction is in the way: later, for as long as patience lasts. */
  #postpone(batch: readonly Pending[]): void {
    const now = performance.now()
    for (const pending of batch) {
      const waited = now - pending.since
      if (waited > this.#database.patience.busyTimeout) {
        const { where } = this.#database.patience
        pending.refused = true
        pending.reject(
          new HodisaError(
            'store-busy',
            `store ${where}: another transaction has held a stream or an id for ${Math.round(waited)} ms`,
            {
              waited: Math.round(waited),
              streams: [...new Set(pending.request.events.map(({ stream }) => stream))].slice(0, 10),
            },
          ),
        )
        continue
      }
      pending.pause = Math.min(LONGEST_PAUSE, Math.max(1, pending.pause * 1.5))
      pending.notBefore = now + pending.pause
    }
  }
}

/** Half of what waits, where that is much: while the server writes the one, this process prepares the other. */
function shareOf(waiting: number): number {
  return waiting < SPLIT ? MOST_REQUESTS : Math.min(MOST_REQUESTS, Math.ceil(waiting / MOST_AT_ONCE))
}

function isAlone({ conditions, documents, inline }: AppendRequest): boolean {
  return (
    (documents !== undefined && documents.length > 0) ||
    inline !== undefined ||
    conditions.some(({ kind }) => kind !== 'expectedRevision')
  )
}

function learnIds({ known }: Pending, rows: readonly IdRow[]): void {
  for (const row of rows) known.set(idName(row[0], row[1]), placedEvent(row))
}

function isUnknownOutcome(error: unknown): boolean {
  return isLost(error) || (error instanceof Error && isLost(error.cause))
}

/** Others write the same at the same time: the same again finds what they wrote. */
function isOvertaken(error: unknown): boolean {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  return ['23505', '55P03'].includes(stateOf(cause)) || isCollision(cause)
}

/** Whether something in what was sent is at fault, not the server or the way to it. */
function isOfOne(error: unknown): boolean {
  return !isHodisaError(error) || !error.code.startsWith('store-')
}

function unitsOf({ events }: AppendRequest): number {
  let units = 0
  for (const { data, metadata } of events) units += data.length + (metadata?.length ?? 0)
  return units
}

/** Of what an append changes or checks: one batch at a time. */
function namesOf(request: AppendRequest): string[] {
  const tenant = request.events[0]?.tenant ?? ''
  const names: string[] = []
  for (const { id, fingerprint, stream, key } of request.events) {
    if (stream !== null) names.push(streamName(stream, tenant))
    if (key !== null) names.push(`@ ${key}`)
    if (fingerprint !== null) names.push(`# ${idName(id, tenant)}`)
  }
  for (const condition of request.conditions) {
    if (condition.kind === 'expectedRevision') names.push(streamName(condition.stream, tenant))
  }
  return names
}

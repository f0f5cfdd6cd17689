import { HodisaError } from '../../errors.ts'
import type { AppendRequest, Receipt } from '../../store/events.ts'
import { idName, type PlacedEvent, tenantOf } from './batch-plan.ts'
import type { Patience } from './database.ts'
import { streamName } from './stream-heads.ts'

const MOST_REQUESTS = 500
const MOST_EVENTS = 2_000
const MOST_UNITS = 4 * 1024 * 1024
/** The longest pause before what another transaction holds is tried again, in ms. */
const LONGEST_PAUSE = 40

/** An append that waits for its batch. */
export interface Pending {
  readonly request: AppendRequest
  /** What it changes or checks: in one batch at a time. */
  readonly names: readonly string[]
  /** Whether it cannot share a transaction. */
  readonly beside: boolean
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

/** What may be written now. */
export interface Taken {
  readonly batch: readonly Pending[]
  readonly beside: readonly Pending[]
  /** Of the batch. */
  readonly names: ReadonlySet<string>
  /** Whether the batch became too large to take all that it could have. */
  readonly isCut: boolean
  /** Ms until something that pauses may be tried again; undefined where nothing does. */
  readonly pause: number | undefined
}

/** Appends in the order they came. Nobody overtakes another one on the same stream, and what is being written is left alone. */
export class WaitingLine {
  readonly #patience: Patience
  #waiting: Pending[] = []
  /** Of all that is under way. */
  readonly #busy = new Set<string>()

  constructor(patience: Patience) {
    this.#patience = patience
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  add(request: AppendRequest): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        request,
        names: namesOf(request),
        beside: isBeside(request),
        since: performance.now(),
        units: unitsOf(request),
        known: new Map(),
        idsSeen: false,
        notBefore: 0,
        pause: 0,
        refused: false,
        resolve,
        reject,
      })
    })
  }

  /** Whatever was not refused comes first again. */
  putBack(batch: readonly Pending[]): void {
    this.#waiting.unshift(...batch.filter(({ refused }) => !refused))
  }

  /** In one batch as far as it goes: what is asked for together is recorded in the order of the calls. */
  take(): Taken {
    const now = performance.now()
    const batch: Pending[] = []
    const beside: Pending[] = []
    const left: Pending[] = []
    const names = new Set<string>()
    /** Of those who were passed over. */
    const behind = new Set<string>()
    let isCut = false
    let count = 0
    let units = 0
    let soonest = Number.POSITIVE_INFINITY
    for (const pending of this.#waiting) {
      const isTaken = (name: string) => this.#busy.has(name) || behind.has(name) || (pending.beside && names.has(name))
      const full =
        batch.length >= MOST_REQUESTS ||
        count >= MOST_EVENTS ||
        (units + pending.units > MOST_UNITS && batch.length > 0)
      // What was held by another transaction goes by itself, so that nobody fails with it.
      const alone = pending.pause > 0
      const early = pending.notBefore > now
      isCut ||= full && batch[0]?.pause === 0
      if (early) soonest = Math.min(soonest, pending.notBefore)
      if (full || early || (alone && batch.length > 0) || pending.names.some(isTaken)) {
        left.push(pending)
        for (const name of pending.names) behind.add(name)
        continue
      }
      if (pending.beside) {
        beside.push(pending)
        this.#hold(pending.names)
        continue
      }
      batch.push(pending)
      for (const name of pending.names) names.add(name)
      count += alone ? MOST_EVENTS : pending.request.events.length
      units += pending.units
    }
    this.#waiting = left
    this.#hold(names)
    return { batch, beside, names, isCut, pause: Number.isFinite(soonest) ? soonest - now : undefined }
  }

  #hold(names: Iterable<string>): void {
    for (const name of names) this.#busy.add(name)
  }

  /** They are no longer under way. */
  release(names: Iterable<string>): void {
    for (const name of names) this.#busy.delete(name)
  }

  /** Another transaction is in the way: later, for as long as patience lasts. */
  postpone(batch: readonly Pending[]): void {
    const now = performance.now()
    for (const pending of batch) {
      const waited = now - pending.since
      if (waited > this.#patience.busyTimeout) {
        pending.refused = true
        pending.reject(heldTooLong(pending.request, waited, this.#patience))
        continue
      }
      pending.pause = Math.min(LONGEST_PAUSE, Math.max(1, pending.pause * 1.5))
      pending.notBefore = now + pending.pause
    }
  }
}

function heldTooLong({ events }: AppendRequest, ms: number, { where }: Patience): HodisaError {
  const waited = Math.round(ms)
  const streams = [...new Set(events.map(({ stream }) => stream))].slice(0, 10)
  const text = `store ${where}: another transaction has held a stream or an id for ${waited} ms`
  return new HodisaError('store-busy', text, { waited, streams })
}

function isBeside({ conditions, documents, inline }: AppendRequest): boolean {
  return (
    (documents !== undefined && documents.length > 0) ||
    inline !== undefined ||
    conditions.some(({ kind }) => kind !== 'expectedRevision')
  )
}

function unitsOf({ events }: AppendRequest): number {
  let units = 0
  for (const { data, metadata } of events) units += data.length + (metadata?.length ?? 0)
  return units
}

/** @throws {HodisaError} `invalid-option` for events of several tenants: refused before anybody shares a batch with them */
function namesOf(request: AppendRequest): string[] {
  const tenant = tenantOf(request)
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

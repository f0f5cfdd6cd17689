import type { AppendRequest, Receipt, StoredEvent } from '../../store/events.ts'
import {
  type AppendPlan,
  type AppendView,
  type KnownEvent,
  planAppend,
  type StreamHead,
} from '../../store/plan-append.ts'
import { firstWhere } from './search.ts'
import { tokenOf } from './token.ts'

const NO_STREAM: StreamHead = { revision: 0, timestamp: 0 }
const NO_EVENTS: readonly StoredEvent[] = []

/** Requests that are planned one on the other and not recorded yet. */
export class StagedAppends {
  readonly events: StoredEvent[] = []
  readonly known = new Map<string, KnownEvent>()
  readonly heads = new Map<string, StreamHead>()
  readonly receipts: Unsealed[] = []
}

/** The events, in the order of their positions, and what finds them. */
export class Log {
  #events: StoredEvent[] = []
  #head = 0
  #recordedAt = 0
  readonly #streams = new Map<string, { head: StreamHead; events: StoredEvent[] }>()
  readonly #known = new Map<string, KnownEvent>()
  readonly #byId = new Map<string, StoredEvent>()

  get events(): readonly StoredEvent[] {
    return this.#events
  }

  /** The last position given out, also when its event has expired. */
  get head(): number {
    return this.#head
  }

  stream(name: string): readonly StoredEvent[] {
    return this.#streams.get(name)?.events ?? NO_EVENTS
  }

  streamRevision(name: string): number {
    return this.#streams.get(name)?.head.revision ?? 0
  }

  byId(id: string): StoredEvent | undefined {
    return this.#byId.get(id)
  }

  at(position: number): StoredEvent | undefined {
    const event = this.#events[firstWhere(this.#events, (each) => each.position >= position)]
    return event?.position === position ? event : undefined
  }

  /** What `request` comes to behind what is staged. */
  plan(request: AppendRequest, staged: StagedAppends, hasDocument: AppendView['hasDocument']): AppendPlan {
    return planAppend(request, {
      streamHead: (stream) => staged.heads.get(stream) ?? this.#streams.get(stream)?.head ?? NO_STREAM,
      known: (id) => staged.known.get(id) ?? this.#known.get(id),
      hasDocument,
    })
  }

  stage(plan: AppendPlan, staged: StagedAppends, now: number): void {
    const recordedAt = Math.max(this.#recordedAt, now)
    const positions = plan.known.map((known) => known.position)
    for (const { event, revision, timestamp } of plan.fresh) {
      const { fingerprint, ...fields } = event
      const position = this.#head + staged.events.length + 1
      staged.events.push(Object.freeze({ ...fields, timestamp, position, revision, recordedAt }))
      positions.push(position)
      if (fingerprint !== null) {
        const { id, version, stream, type, bucket } = event
        staged.known.set(id, { fingerprint, version, position, stream, revision, type, bucket })
      }
    }
    for (const [stream, head] of plan.heads) staged.heads.set(stream, head)
    const duplicate = plan.fresh.length === 0 && plan.ids.length > 0
    staged.receipts.push({ ids: plan.ids, streams: plan.streams, duplicate, positions })
  }

  /** Records what is staged. */
  commit(staged: StagedAppends): Receipt {
    this.#write(staged)
    return joined(staged.receipts)
  }

  #write({ events, known, heads }: StagedAppends): void {
    for (const event of events) {
      this.#events.push(event)
      this.#byId.set(event.id, event)
      this.#head = event.position
      this.#recordedAt = event.recordedAt
    }
    for (const [id, entry] of known) this.#known.set(id, entry)
    for (const [name, head] of heads) {
      const stream = this.#streams.get(name)
      if (stream === undefined) this.#streams.set(name, { head, events: [] })
      else stream.head = head
    }
    for (const event of events) {
      if (event.stream !== null) this.#streams.get(event.stream)?.events.push(event)
    }
  }

  /** Removes events whose time is over. Revisions, positions and given ids stay taken. */
  expire(now: number): number {
    const over = (event: StoredEvent) => event.expiresAt !== null && event.expiresAt <= now
    const expired = this.#events.filter(over)
    if (expired.length === 0) return 0
    this.#events = this.#events.filter((event) => !over(event))
    for (const { id } of expired) this.#byId.delete(id)
    for (const name of new Set(expired.flatMap(({ stream }) => stream ?? []))) {
      const stream = this.#streams.get(name)
      if (stream !== undefined) stream.events = stream.events.filter((event) => !over(event))
    }
    return expired.length
  }
}

type Unsealed = Omit<Receipt, 'token'> & { readonly positions: readonly number[] }

function joined(receipts: readonly Unsealed[]): Receipt {
  const streams = new Map<string, number>()
  for (const receipt of receipts) {
    for (const { stream, revision } of receipt.streams) streams.set(stream, revision)
  }
  return {
    ids: receipts.flatMap((receipt) => receipt.ids),
    streams: [...streams].map(([stream, revision]) => ({ stream, revision })),
    duplicate: receipts.length > 0 && receipts.every((receipt) => receipt.duplicate),
    token: tokenOf(receipts.flatMap((receipt) => receipt.positions)),
  }
}

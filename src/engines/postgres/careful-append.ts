import { HodisaError } from '../../errors.ts'
import type { TransactionDocuments } from '../../store/documents.ts'
import type { AppendRequest, InlineTransaction, InlineWork, PlannedEvent, Receipt } from '../../store/events.ts'
import { assertInline } from '../../store/inline.ts'
import { assertSize } from '../../store/plan-append.ts'
import type { Capabilities, SqlTag } from '../../store/port.ts'
import { BatchPlan, type IdRow, idName, placedEvent, receiptOf, tenantOf } from './batch-plan.ts'
import type { HeadRow } from './batch-writer.ts'
import type { Patience, Session } from './database.ts'
import { stateOf } from './errors.ts'
import type { Inlines } from './inlines.ts'
import { streamName } from './stream-heads.ts'

const LOCK = 'select hodisa.lock_for_append($1::jsonb, $2::integer) as result'
/** Writes nothing in another transaction than the one that was locked in. */
const APPEND = `select case when pg_current_xact_id()::text = $8::text then (
    select jsonb_build_array(batch, refusal)
    from hodisa.append($1::jsonb, $2::jsonb, $3::jsonb, $4::integer, $5::bigint, null::bigint, $6::boolean, $7::bigint)
  ) end as result`

/** How things stand while they are locked. */
export interface Locked {
  readonly streams: readonly HeadRow[]
  readonly ids: readonly IdRow[]
  readonly inlines: number
  readonly transaction: string
  readonly store: string
}

/** An open transaction, and what may be used in it. */
export interface AppendScope {
  readonly session: Pick<Session, 'query'>
  readonly documents: TransactionDocuments
  readonly sql: SqlTag
  /** Null leaves it to the connection. */
  readonly durable: boolean | null
}

/** Streams that an append changed or relied on, so that what is remembered of them can be forgotten. */
export interface Appended {
  readonly receipt: Receipt
  readonly streams: readonly string[]
}

/** Appends inside an open transaction: locks, learns how things stand, plans, writes. Waits for who holds a stream or an id. */
export class CarefulAppend {
  readonly #inlines: Inlines
  readonly #limits: Capabilities
  readonly #patience: Patience
  readonly #timeline: () => number

  constructor(inlines: Inlines, limits: Capabilities, patience: Patience, timeline: () => number) {
    this.#inlines = inlines
    this.#limits = limits
    this.#patience = patience
    this.#timeline = timeline
  }

  /**
   * @param check sees what is locked before anything is written
   * @throws {HodisaError} `outbox-no-transaction` where each statement has a transaction of its own
   */
  async append(
    requests: readonly AppendRequest[],
    { session, documents, sql, durable }: AppendScope,
    check: (locked: Locked) => void | Promise<void> = () => undefined,
  ): Promise<Appended> {
    const locked = await this.#lock(requests, session)
    await check(locked)
    if (locked.inlines !== this.#inlines.version) await this.#inlines.refresh(session)
    const heads = new Map(
      locked.streams.map((row) => [streamName(row[0], row[1]), { revision: row[2], timestamp: row[3] }]),
    )
    const ids = new Map(locked.ids.map((row) => [idName(row[0], row[1]), placedEvent(row)]))
    const standing = new Set<string>()
    const plan = new BatchPlan(this.#timeline(), {
      head: (stream, tenant) => heads.get(streamName(stream, tenant)) ?? { revision: 0, timestamp: 0 },
      known: (id, tenant) => ids.get(idName(id, tenant)),
      hasDocument: (collection, id) => standing.has(`${collection} ${id}`),
    })
    for (const request of requests) {
      await this.#addStanding(request, documents, standing)
      const { plan: one } = plan.add(request, (fresh) => {
        assertSize(request, this.#limits)
        assertInline(fresh, request, this.#inlines.registered)
      })
      const duplicate = one.fresh.length === 0 && request.events.length > 0
      if (duplicate) continue
      if (request.inline !== undefined && one.fresh.length > 0)
        await runInline(request.inline, one.fresh, { documents, sql })
      if (request.documents !== undefined && request.documents.length > 0) await documents.write(request.documents)
    }
    const batch = await this.#write(plan, session, durable, locked.transaction)
    return {
      receipt: receiptOf(plan.planned, batch),
      streams: [...plan.streams].map(({ stream, tenant }) => streamName(stream, tenant)),
    }
  }

  async #lock(requests: readonly AppendRequest[], session: Pick<Session, 'query'>): Promise<Locked> {
    const streams = new Map<string, [string, string]>()
    const ids = new Map<string, [string, string]>()
    for (const request of requests) {
      const tenant = tenantOf(request)
      for (const { id, fingerprint, stream } of request.events) {
        if (stream !== null) streams.set(streamName(stream, tenant), [stream, tenant])
        if (fingerprint !== null) ids.set(idName(id, tenant), [id, tenant])
      }
      for (const condition of request.conditions) {
        if (condition.kind === 'expectedRevision') {
          streams.set(streamName(condition.stream, tenant), [condition.stream, tenant])
        }
      }
    }
    const asked = JSON.stringify({ streams: [...streams.values()], ids: [...ids.values()] })
    const [row] = await session.query<[Locked]>(LOCK, [asked, this.#patience.busyTimeout])
    if (row === undefined) throw new Error('hodisa.lock_for_append returned no row')
    return row[0]
  }

  /** Documents that conditions name and that stand. */
  async #addStanding(
    { conditions }: AppendRequest,
    documents: TransactionDocuments,
    standing: Set<string>,
  ): Promise<void> {
    for (const condition of conditions) {
      if (condition.kind !== 'noDocument') continue
      const found = await documents.get(condition.collection, [condition.id])
      for (const id of found.keys()) standing.add(`${condition.collection} ${id}`)
    }
  }

  async #write(
    plan: BatchPlan,
    session: Pick<Session, 'query'>,
    durable: boolean | null,
    transaction: string,
  ): Promise<number> {
    const { streams, ids, events, count } = plan.call()
    if (count === 0) return 0
    const now = Math.floor(this.#patience.clock.now())
    const values = [streams, ids, events, count, this.#inlines.version, durable, now, transaction]
    const [row] = await session.query<[[number, unknown] | null]>(APPEND, values).catch((error: unknown) => {
      // Of very many ids not all are locked before.
      if (stateOf(error) !== '23505') throw error
      throw new HodisaError(
        'store-busy',
        'another transaction recorded some of the same ids at the same time',
        {},
        error,
      )
    })
    const written = row?.[0] ?? null
    if (written === null) throw noTransaction()
    const [batch, refusal] = written
    if (refusal === null) return batch
    // Only a projection that was registered since the lock can stand against it.
    throw new HodisaError('store-busy', 'the append was refused although it held its locks', { refusal })
  }
}

export function noTransaction(): HodisaError {
  return new HodisaError('outbox-no-transaction', 'no transaction is open on the connection of the outbox', {})
}

/** What the work keeps of its transaction is of no use after it. */
async function runInline(
  inline: InlineWork,
  fresh: readonly PlannedEvent[],
  { documents, sql }: InlineTransaction,
): Promise<void> {
  let open = true
  const whileOpen = async <Value>(action: () => Promise<Value>): Promise<Value> => {
    if (!open) throw new HodisaError('context-dead', 'this transaction is over', {})
    return action()
  }
  try {
    await inline.run(fresh, {
      documents: {
        get: (collection, ids) => whileOpen(() => documents.get(collection, ids)),
        write: (writes) => whileOpen(() => documents.write(writes)),
      },
      sql: <Row>(parts: TemplateStringsArray, ...values: readonly unknown[]) =>
        whileOpen(() => sql<Row>(parts, ...values)),
    })
  } finally {
    open = false
  }
}

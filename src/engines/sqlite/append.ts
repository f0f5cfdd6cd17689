import type { Statement } from 'better-sqlite3'
import { HodisaError } from '../../errors.ts'
import type { DocumentWrite } from '../../store/documents.ts'
import { kindNumber } from '../../store/event-row.ts'
import type { AppendRequest, PlannedEvent, Receipt } from '../../store/events.ts'
import { assertInline } from '../../store/inline.ts'
import type { StreamHead } from '../../store/plan-append.ts'
import { type AppendPlan, type AppendView, assertSize, type KnownEvent, planAppend } from '../../store/plan-append.ts'
import type { Capabilities } from '../../store/port.ts'
import type { Connection } from './connection.ts'
import { DocumentWriter } from './document-writer.ts'
import { Inlines } from './inlines.ts'
import { MARK_EVERY } from './stream-chain.ts'
import { type Decoded, encodeToken } from './token.ts'

const LEAN = `id, type, version, kind, timestamp, recorded_at, bucket, stream, revision, previous, source, correlation_id, causation_id,
  data, metadata`
const WIDE = `${LEAN}, "key", tenant, subject, tags, encoding, expires_at`
const MOST_CACHED = 16_384
const EMPTY: StreamEnd = { revision: 0, timestamp: 0, position: 0 }

/** The end of a stream and where its last event stands. */
interface StreamEnd extends StreamHead {
  readonly position: number
}

/** A validated append that was not written yet. */
export interface Prepared {
  readonly request: AppendRequest
  readonly tenant: string
  readonly plan: AppendPlan
  readonly documents: readonly DocumentWrite[]
}

/** What was written, before it becomes a receipt. */
export interface Written {
  readonly ids: readonly string[]
  readonly streams: readonly { readonly stream: string; readonly revision: number }[]
  readonly duplicate: boolean
  readonly positions: readonly number[]
  /** Position of the last new event; 0 if none is new. */
  readonly head: number
  /** The event that stands there. */
  readonly newest: Decoded['newest']
}

/**
 * Writes events through one connection, inside a transaction that somebody else began. Everything it remembers between
 * transactions is forgotten as soon as another connection may have written.
 */
export class LogWriter implements AppendView {
  readonly documents: DocumentWriter
  readonly inlines: Inlines
  readonly #limits: Capabilities
  readonly #lean: Statement
  readonly #wide: Statement
  readonly #createStream: Statement
  readonly #moveStream: Statement
  readonly #saveMark: Statement
  readonly #saveId: Statement
  readonly #findHead: Statement<[string, string], [number, number, number]>
  readonly #findId: Statement<[string, string], [string, number, number, string | null, number | null, string, number]>
  readonly #lastRecorded: Statement<[], number>
  readonly #heads = new Map<string, StreamEnd>()
  #tenant = ''
  #recordedAt = 0
  #recordedAtKnown = false
  #now = 0

  constructor(connection: Pick<Connection, 'prepare'>, limits: Capabilities) {
    // A connection of the user's may give integers as BigInt by default.
    const prepare = (sql: string) => connection.prepare<unknown[], unknown[]>(sql).safeIntegers(false)
    const insert = (columns: string) =>
      `insert into main.hodisa_events (${columns}) values (${columns.replaceAll(/[^,]+/g, '?')})`
    this.#limits = limits
    this.documents = new DocumentWriter(connection)
    this.inlines = new Inlines(connection)
    this.#lean = prepare(insert(LEAN))
    this.#wide = prepare(insert(WIDE))
    this.#createStream = prepare(
      'insert into main.hodisa_streams (revision, timestamp, position, stream, tenant) values (?, ?, ?, ?, ?)',
    )
    this.#moveStream = prepare(
      'update main.hodisa_streams set revision = ?, timestamp = ?, position = ? where stream = ? and tenant = ?',
    )
    this.#saveMark = prepare(
      'insert into main.hodisa_stream_marks (stream, tenant, revision, position) values (?, ?, ?, ?)',
    )
    this.#saveId = prepare(
      `insert into main.hodisa_given_ids (tenant, id, fingerprint, version, position, stream, revision, type, bucket)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.#findHead = prepare(
      'select revision, timestamp, position from main.hodisa_streams where stream = ? and tenant = ?',
    ).raw() as Statement<[string, string], [number, number, number]>
    this.#findId = prepare(
      `select fingerprint, version, position, stream, revision, type, bucket
       from main.hodisa_given_ids where tenant = ? and id = ?`,
    ).raw() as Statement<[string, string], [string, number, number, string | null, number | null, string, number]>
    this.#lastRecorded = prepare(
      'select recorded_at from main.hodisa_events order by position desc limit 1',
    ).pluck() as unknown as Statement<[], number>
  }

  /** To be called in every new transaction. */
  begin(now: number, othersWrote: boolean): void {
    if (othersWrote) this.forget()
    this.#now = Math.floor(now)
  }

  /** To be called when the transaction, or a part of it, was rolled back. */
  forget(): void {
    this.#heads.clear()
    this.#recordedAtKnown = false
    this.documents.forget()
    this.inlines.forget()
  }

  /** Checks a request against the log as it is now; writes nothing. `assertCovered` is the rule for inline projections. */
  plan(request: AppendRequest, assertCovered = assertInline): Prepared {
    const tenant = tenantOf(request)
    this.#tenant = tenant
    const plan = planAppend(request, this)
    if (plan.fresh.length > 0) {
      assertSize(request, this.#limits)
      assertCovered(plan.fresh, request, this.inlines.registered)
    }
    const { documents = [] } = request
    if (documents.length === 0 || isDuplicate(plan)) return { request, tenant, plan, documents: [] }
    this.documents.check(documents)
    return { request, tenant, plan, documents }
  }

  write({ tenant, plan, documents }: Prepared): Written {
    this.#tenant = tenant
    this.documents.write(documents)
    const positions = plan.known.map(({ position }) => position)
    let head = 0
    for (const planned of plan.fresh) {
      const { event, revision } = planned
      const { bucket, type, stream } = event
      const before = stream === null ? undefined : this.streamHead(stream)
      head = this.#insert(planned, before === undefined || before.revision === 0 ? null : before.position)
      positions.push(head)
      if (stream !== null && revision !== null) {
        this.#heads.set(headName(tenant, stream), { revision, timestamp: planned.timestamp, position: head })
        if (revision === 1) this.#createStream.run(1, planned.timestamp, head, stream, tenant)
        if (revision % MARK_EVERY === 0) this.#saveMark.run(stream, tenant, revision, head)
      }
      if (event.fingerprint !== null) {
        this.#saveId.run(tenant, event.id, event.fingerprint, event.version, head, stream, revision, type, bucket)
      }
    }
    for (const stream of plan.heads.keys()) {
      const { revision, timestamp, position } = this.streamHead(stream)
      if (revision > 1) this.#moveStream.run(revision, timestamp, position, stream, tenant)
    }
    if (this.#heads.size > MOST_CACHED) this.#heads.clear()
    const last = plan.fresh.at(-1)?.event
    const newest = last === undefined ? undefined : { id: last.id, position: head }
    return { ids: plan.ids, streams: plan.streams, duplicate: isDuplicate(plan), positions, head, newest }
  }

  streamHead(stream: string): StreamEnd {
    const name = headName(this.#tenant, stream)
    const cached = this.#heads.get(name)
    if (cached !== undefined) return cached
    const row = this.#findHead.get(stream, this.#tenant)
    const end = row === undefined ? EMPTY : { revision: row[0], timestamp: row[1], position: row[2] }
    this.#heads.set(name, end)
    return end
  }

  known(id: string): KnownEvent | undefined {
    const row = this.#findId.get(this.#tenant, id)
    if (row === undefined) return undefined
    const [fingerprint, version, position, stream, revision, type, bucket] = row
    return { fingerprint, version, position, stream, revision, type, bucket }
  }

  hasDocument(collection: string, id: string): boolean {
    return this.documents.has(collection, id)
  }

  #insert({ event, revision, timestamp }: PlannedEvent, previous: number | null): number {
    const { id, type, version, bucket, stream, source, causationId, data, metadata } = event
    const kind = kindNumber(event.kind)
    const correlationId = event.correlationId === id ? null : event.correlationId
    const recordedAt = this.#nextRecordedAt()
    const { key, tenant, subject, tags, encoding, expiresAt } = event
    const plain = (key ?? tenant ?? subject ?? tags ?? encoding ?? expiresAt) === null
    // biome-ignore format: one line a statement
    const { lastInsertRowid } = plain
      ? this.#lean.run(id, type, version, kind, timestamp, recordedAt, bucket, stream, revision, previous, source, correlationId,
          causationId, data, metadata)
      : this.#wide.run(id, type, version, kind, timestamp, recordedAt, bucket, stream, revision, previous, source, correlationId,
          causationId, data, metadata, key, tenant ?? '', subject, tags, encoding, expiresAt)
    return Number(lastInsertRowid)
  }

  #nextRecordedAt(): number {
    if (!this.#recordedAtKnown) {
      this.#recordedAt = this.#lastRecorded.get() ?? 0
      this.#recordedAtKnown = true
    }
    if (this.#now > this.#recordedAt) this.#recordedAt = this.#now
    return this.#recordedAt
  }
}

/** Every event was known already. */
function isDuplicate({ fresh, ids }: AppendPlan): boolean {
  return fresh.length === 0 && ids.length > 0
}

/** The receipt of writes that were recorded together. */
export function receiptOf(writes: readonly Written[], rollbackPossible = false): Receipt {
  const [first] = writes
  if (first !== undefined && writes.length === 1 && !rollbackPossible) {
    const { ids, streams, duplicate, positions } = first
    return { ids, streams, duplicate, token: encodeToken(positions) }
  }
  const streams = new Map<string, number>()
  for (const write of writes) for (const { stream, revision } of write.streams) streams.set(stream, revision)
  const ids = writes.flatMap((write) => write.ids)
  const positions = writes.flatMap((write) => write.positions)
  const duplicate = ids.length > 0 && writes.every((write) => write.duplicate || write.ids.length === 0)
  const newest = rollbackPossible ? writes.findLast((write) => write.newest !== undefined)?.newest : undefined
  return {
    ids,
    streams: [...streams].map(([stream, revision]) => ({ stream, revision })),
    duplicate,
    token: encodeToken(positions, newest),
  }
}

function headName(tenant: string, stream: string): string {
  // Names are free of control characters.
  return tenant === '' ? stream : `${tenant}\n${stream}`
}

function tenantOf({ events }: AppendRequest): string {
  const tenant = events[0]?.tenant ?? null
  for (const event of events) {
    if (event.tenant !== tenant) {
      throw new HodisaError('invalid-option', 'all events of an append must be of one tenant', { option: 'tenant' })
    }
  }
  return tenant ?? ''
}

import { randomBytes } from 'node:crypto'
import type { BatchPlan, IdRow } from './batch-plan.ts'
import type { Database } from './database.ts'
import { isCollision, isLost, stateOf } from './errors.ts'

const APPEND = `select batch, refusal from hodisa.append($1::jsonb, $2::jsonb, $3::jsonb, $4::integer, $5::bigint, $6::bigint, $7::boolean, $8::bigint)`
const SETTLE = 'select hodisa.settle($1::bigint, $2::jsonb)'
const LOOK_UP = `select
  (select coalesce(jsonb_agg(jsonb_build_array(s.stream, s.tenant, s.revision, s.timestamp)), '[]')
    from jsonb_array_elements($1::jsonb) r join hodisa.streams s on s.stream = r->>0 and s.tenant = r->>1),
  (select coalesce(jsonb_agg(jsonb_build_array(g.id, g.tenant, g.fingerprint, g.version, g.batch, g.ordinal, g.bucket, g.revision,
      g.type, g.stream)), '[]')
    from jsonb_array_elements($2::jsonb) r join hodisa.given_ids g on g.id = r->>0 and g.tenant = r->>1)`

/** [stream, tenant, revision, timestamp] */
export type HeadRow = [string, string, number, number]

/** What stood against a batch. */
export interface Refusal {
  /** Streams or ids: changed since, or held by another transaction. */
  readonly failing?: readonly ([string, string] | string)[]
  readonly streams?: readonly HeadRow[]
  readonly ids?: readonly IdRow[]
  readonly inlines?: true
}

/**
 * `overtaken`: others wrote the same at the same time, or the store has lost what it was planned on, so that the same again finds
 * what there is.
 */
export type Outcome =
  | { readonly batch: number }
  | { readonly refusal: Refusal; readonly seenAt: number }
  | { readonly overtaken: true }

type AppendRow = [batch: number | null, refusal: Refusal | null]

/** Sends batches to the server, and finds out what became of those whose answer was lost. */
export class BatchWriter {
  readonly #database: Database
  readonly #durable: boolean
  readonly #timeline: () => number

  constructor(database: Database, durable: boolean, timeline: () => number) {
    this.#database = database
    this.#durable = durable
    this.#timeline = timeline
  }

  /** The number of the batch, 0 where there was nothing to write; or what stood against it. */
  async write(plan: BatchPlan, inlines: number): Promise<Outcome> {
    const call = plan.call()
    if (call.count === 0 && call.streams === '[]') return { batch: 0 }
    const isCheck = call.count === 0
    const began = performance.now()
    for (;;) {
      const attempt = randomBytes(8).readBigInt64BE()
      const seenAt = performance.now()
      const now = Math.floor(this.#database.patience.clock.now())
      const { streams, ids, events, count } = call
      const values = [streams, ids, events, count, inlines, attempt.toString(), this.#durable, now]
      try {
        const send = () =>
          this.#database.session(async (session) => {
            // A connection that was made for it tells what the store has lost.
            return this.#timeline() === plan.timeline ? session.query<AppendRow>(APPEND, values) : undefined
          })
        // What only checks may be sent twice.
        const rows = await (isCheck ? this.#database.persistently(send) : send())
        if (rows === undefined) return { overtaken: true }
        if (rows[0] === undefined) throw new Error('hodisa.append returned no row')
        const [number, refusal] = rows[0]
        return refusal === null ? { batch: number ?? 0 } : { refusal, seenAt }
      } catch (error) {
        if (isOvertaken(error)) return { overtaken: true }
        if (isCheck || !isUnknownOutcome(error)) throw error
        const found = await this.#settle(attempt, call.events)
        if (found !== null) return { batch: found }
        if (performance.now() - began > this.#database.patience.busyTimeout) throw error
      }
    }
  }

  /** The batch that was written after all; null when it never will be. */
  async #settle(attempt: bigint, events: string): Promise<number | null> {
    const [row] = await this.#database.query<[number | null]>(SETTLE, [attempt.toString(), events])
    return row?.[0] ?? null
  }

  /** How streams stand, and where ids are recorded; each with its tenant. */
  async lookUp(
    streams: readonly (readonly [string, string])[],
    ids: readonly (readonly [string, string])[],
  ): Promise<{ readonly streams: readonly HeadRow[]; readonly ids: readonly IdRow[] }> {
    const asked = [JSON.stringify(streams), JSON.stringify(ids)]
    const [row] = await this.#database.query<[HeadRow[], IdRow[]]>(LOOK_UP, asked)
    return { streams: row?.[0] ?? [], ids: row?.[1] ?? [] }
  }
}

function isUnknownOutcome(error: unknown): boolean {
  return isLost(error) || (error instanceof Error && isLost(error.cause))
}

/** What the locks do not cover in a very large batch, the index does. */
function isOvertaken(error: unknown): boolean {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  return ['23505', '55P03'].includes(stateOf(cause)) || isCollision(cause)
}

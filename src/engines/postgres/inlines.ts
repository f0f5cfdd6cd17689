import { HodisaError } from '../../errors.ts'
import type { InlineProjection } from '../../store/events.ts'
import { coverOf, type InlineCover } from '../../store/inline.ts'
import type { Database, Session } from './database.ts'

/** Ms between looks at who is still writing. */
const PAUSE = 20

/** Transactions that have looked at the registry, as every append does. A backup holds all tables, of which nobody else needs one. */
const WRITERS = `select l.virtualtransaction from pg_locks l
  where l.locktype = 'relation' and l.relation = 'hodisa.inline_projections'::regclass and l.granted
    and l.database = (select d.oid from pg_database d where d.datname = current_database())
    and not exists (select from pg_locks o where o.virtualtransaction = l.virtualtransaction and o.database = l.database
      and o.relation = 'hodisa.schema_versions'::regclass)`

type InlineRow = [name: string, types: string, version: number]

/** The registry of inline projections, as this process knows it. Appends say at which version; the server refuses an older one. */
export class Inlines {
  readonly #database: Database
  #projections: readonly InlineProjection[] = []
  #registered: readonly InlineCover[] = []
  #version = 0
  #seenAt = 0

  constructor(database: Database) {
    this.#database = database
  }

  get registered(): readonly InlineCover[] {
    return this.#registered
  }

  get version(): number {
    return this.#version
  }

  /** Monotonic ms of a moment when it was so. */
  get seenAt(): number {
    return this.#seenAt
  }

  /** By a connection that is at hand: one who holds connections of a pool must not wait for another. */
  async refresh(session: Pick<Session, 'query'> = this.#database): Promise<readonly InlineProjection[]> {
    const seenAt = performance.now()
    const rows = await session.query<InlineRow>(
      'select name, types, version from hodisa.inline_projections order by name',
    )
    this.#projections = rows
      .map(([name, types]) => ({ name, types: JSON.parse(types) as string[] }))
      .filter(({ types }) => types.length > 0)
    this.#registered = this.#projections.map(coverOf)
    this.#version = Math.max(0, ...rows.map(([, , version]) => Number(version))) // the driver of an outbox may give text
    this.#seenAt = seenAt
    return this.#projections
  }

  /**
   * A removed one stays as a row without types, so that the version rises. Resolves when no transaction is open any more that wrote
   * without knowing of it: what it wrote would show later, and the projection would miss it.
   */
  async set(projection: InlineProjection): Promise<void> {
    coverOf(projection)
    const { name, types } = projection
    const [before] = await this.#database.query<[string]>(
      'select types from hodisa.inline_projections where name = $1',
      [name],
    )
    await this.#put(name, JSON.stringify(types))
    try {
      if (types.length > 0) await this.#othersDone(name)
    } catch (error) {
      await this.#put(name, before?.[0] ?? '[]')
      throw error
    } finally {
      await this.refresh()
    }
  }

  async #put(name: string, types: string): Promise<void> {
    await this.#database.query(
      `insert into hodisa.inline_projections (name, types) values ($1, $2)
       on conflict (name) do update set types = excluded.types, version = excluded.version`,
      [name, types],
    )
  }

  /** Waits for who writes now. @throws {HodisaError} `store-busy` */
  async #othersDone(name: string): Promise<void> {
    const { clock, busyTimeout, where } = this.#database.patience
    const start = clock.monotonic()
    let left = await this.#writers()
    while (left.size > 0) {
      if (clock.monotonic() - start > busyTimeout) {
        const text = `store ${where}: a transaction that was open before the inline projection ${name} still is`
        throw new HodisaError('store-busy', text, { store: where, projection: name })
      }
      await new Promise<void>((resume) => clock.after(PAUSE, resume))
      const still = await this.#writers()
      left = new Set([...left].filter((one) => still.has(one)))
    }
  }

  async #writers(): Promise<ReadonlySet<string>> {
    const rows = await this.#database.query<[string]>(WRITERS)
    return new Set(rows.map(([transaction]) => transaction))
  }
}

import { createHash } from 'node:crypto'
import { HodisaError } from '../../errors.ts'
import type { Clock } from '../../store/port.ts'
import { OWN_TYPES, type PgClient, type PgQuery, type PgResult, type PostgresPool } from './driver.ts'
import { closed, connectFailed, isLost, mapError, stateOf, storeGone } from './errors.ts'
import type { Named } from './names.ts'

/** Ms in which no server is taken down and another one put in its place. */
const SAME_SERVER = 250

/** How the store is reached, and how long it is waited for. */
export interface Patience {
  /** As a person names the store; never with a password. */
  readonly where: string
  readonly clock: Clock
  /** Ms that a lost connection, or what another transaction holds, is waited for. */
  readonly busyTimeout: number
  /** Whether commits have to be on disk, whatever the role's own setting. */
  readonly durable: boolean
}

/** Runs statements, which are written for the schema `hodisa`, on one connection. Rows come as arrays. */
export interface Session {
  query<Row extends readonly unknown[]>(sql: string, values?: readonly unknown[]): Promise<Row[]>
  /** The user's own statement, as it is; rows by name, values as `pg` gives them. */
  raw(query: PgQuery): Promise<PgResult>
}

/** The connections of a store. */
export class Database {
  readonly patience: Patience
  readonly named: Named
  readonly #pool: PostgresPool
  readonly #own: boolean
  readonly #statements = new Map<string, { readonly text: string; readonly name: string }>()
  /** When connections were checked last. */
  readonly #met = new WeakMap<PgClient, number>()
  #newcomer: (session: Session) => Promise<void> = async () => undefined
  #pooled: boolean | undefined
  #prepared = true
  /** How the server begins a transaction that does not say. */
  #isolation = ''
  #closed = false

  constructor(pool: PostgresPool, own: boolean, named: Named, patience: Patience) {
    this.#pool = pool
    this.#own = own
    this.named = named
    this.patience = patience
    // Of a connection that idles in the pool: it is replaced. Without a listener it would end the process.
    pool.on('error', () => undefined)
    // The same for one that is just being handed over: the server may end it together with its last answer.
    pool.on('connect', (client) => (client as PgClient).on('error', () => undefined))
  }

  /** Called with every new connection, before anything else of the store is sent on it. */
  onNewcomer(newcomer: (session: Session) => Promise<void>): void {
    this.#newcomer = newcomer
  }

  /** Whether a pooler stands between this process and the server; undefined before the first connection. */
  get pooled(): boolean | undefined {
    return this.#pooled
  }

  /** A statement in a transaction of its own that may be sent twice; after a lost connection it is. */
  async query<Row extends readonly unknown[]>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    return this.persistently(() => this.once<Row>(sql, values))
  }

  /** A statement in a transaction of its own. When the connection is lost, nobody knows whether it took effect. */
  async once<Row extends readonly unknown[]>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    return this.session((session) => session.query<Row>(sql, values))
  }

  /** Tries again, for as long as patience lasts, when the connection is lost. */
  async persistently<Result>(attempt: () => Promise<Result>, mayRepeat: () => boolean = () => true): Promise<Result> {
    const { clock, busyTimeout } = this.patience
    const start = clock.monotonic()
    for (let pause = 10; ; pause = Math.min(pause * 2, 500)) {
      try {
        return await attempt()
      } catch (error) {
        const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
        if (!isLost(cause) || !mayRepeat() || this.#closed || clock.monotonic() - start + pause > busyTimeout)
          throw error
        await new Promise<void>((resume) => clock.after(pause, resume))
      }
    }
  }

  /** Lends a connection; one that failed is not used again. */
  async session<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    const client = await this.connect()
    let broken = false
    let lastWords: unknown
    const onError = (error: Error) => {
      broken = true
      lastWords ??= error
    }
    client.on('error', onError)
    try {
      return await work(this.on(client))
    } catch (error) {
      const lost = isLost(error) || (error instanceof Error && isLost(error.cause))
      broken ||= lost
      // Why the server ended the connection tells more than that it is gone.
      throw mapError(lost && stateOf(lastWords) !== '' ? lastWords : error, this.patience.where)
    } finally {
      client.off('error', onError)
      client.release(broken)
    }
  }

  /** A connection that the caller keeps, and releases. */
  async connect(): Promise<PgClient> {
    if (this.#closed) throw closed(this.patience.where)
    const { where } = this.patience
    const client = await this.#pool.connect().then(
      (connected) => connected as PgClient,
      (error: unknown) => {
        throw connectFailed(error, where)
      },
    )
    try {
      await this.assure(client)
      return client
    } catch (error) {
      client.release(true)
      throw mapError(error, where)
    }
  }

  /** Before a connection is used: a pooler may have another server behind it since it was used last. */
  async assure(client: PgClient): Promise<void> {
    const met = this.#met.get(client)
    const isFresh = () => this.#pooled === false || this.patience.clock.monotonic() - Number(met) < SAME_SERVER
    if (met === undefined || !isFresh()) await this.#meet(client)
  }

  async #meet(client: PgClient): Promise<void> {
    const at = this.patience.clock.monotonic()
    const session = this.on(client)
    if (this.#pooled === undefined) {
      const [row] = await session.query<[number, string]>(
        "select pg_backend_pid(), current_setting('default_transaction_isolation')",
      )
      // A pooler tells a process id of its own.
      this.#pooled = client.processID !== undefined && client.processID !== row?.[0]
      // It may give each transaction another connection: what is prepared is on one of them.
      if (this.#pooled) this.#prepared = false
      this.#isolation = row?.[1] ?? ''
    }
    if (this.#isolation !== 'read committed') await this.#loosen(session)
    await this.#newcomer(session)
    this.#met.set(client, at)
  }

  /** Each statement has to see what was committed before it. @throws {HodisaError} `invalid-option` */
  async #loosen(session: Session): Promise<void> {
    // Others' transactions may begin on these.
    if (!this.#own || this.#pooled === true) {
      const text = `store ${this.patience.where}: transactions begin as ${this.#isolation}, and the store needs read committed: set default_transaction_isolation for its role`
      throw new HodisaError('invalid-option', text, { option: 'default_transaction_isolation' })
    }
    await session.raw({ text: 'set session characteristics as transaction isolation level read committed' })
  }

  /** Statements on a connection that somebody else holds. */
  on(client: Pick<PgClient, 'query'>): Session {
    return {
      query: async <Row extends readonly unknown[]>(sql: string, values: readonly unknown[] = []) => {
        const { text, name } = this.#statement(sql)
        const query: PgQuery = { text, values, rowMode: 'array', types: OWN_TYPES }
        const send = async (one: PgQuery) => (await client.query(one)).rows as Row[]
        const isNamed = this.#prepared && values.length > 0
        try {
          return await send(isNamed ? { ...query, name } : query)
        } catch (error) {
          if (isNamed && this.#isForgotten(error)) return send(query)
          throw storeGone(error, this.patience.where)
        }
      },
      raw: (query) => client.query(query),
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#own) await this.#pool.end()
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** A pooler that gives each transaction another connection has no prepared statements: from then on there are none. */
  #isForgotten(error: unknown): boolean {
    const forgotten = ['26000', '42P05'].includes(stateOf(error))
    if (forgotten) this.#prepared = false
    return forgotten
  }

  #statement(sql: string): { readonly text: string; readonly name: string } {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      const text = this.named(sql)
      statement = { text, name: `h${createHash('sha1').update(text).digest('base64url').slice(0, 20)}` }
      if (this.#statements.size > 1_000) this.#statements.clear()
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

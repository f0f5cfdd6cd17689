import type { AppendRequest, Receipt } from '../../store/events.ts'
import type { StoreTransaction } from '../../store/port.ts'
import type { AppendScope, CarefulAppend } from './careful-append.ts'
import type { Database, Session } from './database.ts'
import type { PostgresDocuments } from './documents.ts'
import { closed } from './errors.ts'
import { Limiter } from './limiter.ts'
import { SqlRunner } from './sql-tag.ts'
import { type Ends, inTransaction, OpenTransaction } from './transaction.ts'

export interface TransactionsSetup {
  readonly database: Database
  readonly documents: PostgresDocuments
  readonly careful: CarefulAppend
  readonly durable: boolean
  /** How many may run at a time, so that other work finds a connection. */
  readonly most: number
  /** Called with the streams that an open transaction has written to. */
  readonly wrote: (streams: Iterable<string>) => void
  /** Called after the commit of one that has appended something. */
  readonly committed: () => void
}

/** The user's work inside transactions of the store's. */
export class Transactions {
  readonly #setup: TransactionsSetup
  readonly #sql: SqlRunner
  readonly #limiter: Limiter
  /** Connections in whose transaction something was appended. */
  readonly #appendedIn = new WeakSet<Session>()
  #closing = false

  constructor(setup: TransactionsSetup) {
    const { database, most } = setup
    this.#setup = setup
    this.#sql = new SqlRunner(database.patience.where)
    this.#limiter = new Limiter(most)
  }

  /** One of its own; nothing new once the store is closing. */
  async run<Result>(run: (session: Session) => Promise<Result>, ends?: Ends): Promise<Result> {
    if (this.#closing) throw closed(this.#setup.database.patience.where)
    return this.#inTurn(run, ends)
  }

  /** An append by itself, of what was accepted before the store began to close. */
  appendAlone(request: AppendRequest): Promise<Receipt> {
    return this.#inTurn((session) => this.append(session, [request]))
  }

  async #inTurn<Result>(run: (session: Session) => Promise<Result>, ends?: Ends): Promise<Result> {
    const { database, committed } = this.#setup
    let appended = false
    const running = async (session: Session) => {
      const result = await run(session)
      appended = this.#appendedIn.has(session)
      return result
    }
    const result = await this.#limiter.run(() => inTransaction(database, running, ends))
    if (appended) committed()
    return result
  }

  /** Runs the user's work in a transaction that is open; what it appends is still to be recorded. */
  async work<Result>(session: Session, work: (tx: StoreTransaction) => Promise<Result>) {
    const tx = new OpenTransaction(session, this.#sql, this.#setup.documents.on(session))
    try {
      return { result: await work(tx.face), requests: tx.requests }
    } finally {
      tx.close()
    }
  }

  async append(session: Session, requests: readonly AppendRequest[]): Promise<Receipt> {
    const { documents, careful, durable, wrote } = this.#setup
    const scope: AppendScope = {
      session,
      documents: documents.on(session),
      sql: (parts, ...values) => this.#sql.run(session, parts, values),
      durable,
    }
    const { receipt, streams } = await careful.append(requests, scope)
    this.#appendedIn.add(session)
    wrote(streams)
    return receipt
  }

  /** Nothing new from now on, but for appends. */
  stop(): void {
    this.#closing = true
  }

  /** Resolves when none is under way. */
  idle(): Promise<void> {
    return this.#limiter.idle()
  }
}

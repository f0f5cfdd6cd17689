import { HodisaError } from '../../errors.ts'
import type { TransactionDocuments } from '../../store/documents.ts'
import type { AppendRequest, Receipt } from '../../store/events.ts'
import type { SqlTag } from '../../store/port.ts'
import { type CarefulAppend, type Locked, noTransaction } from './careful-append.ts'
import type { Database, Session } from './database.ts'
import { mapError, stateOf } from './errors.ts'

/** A client of `pg`, or anything that sends a statement on the connection whose transaction is open. */
export interface OutboxConnection {
  query(text: string, values?: unknown[]): Promise<unknown>
}

const TRANSACTION = 'select jsonb_build_array(pg_current_xact_id()::text) as result'

/** Appends inside transactions of the user's own. */
export class Outbox {
  readonly #connection: OutboxConnection
  readonly #append: CarefulAppend
  readonly #database: Database
  readonly #store: string
  readonly #documents: (session: Pick<Session, 'query'>) => TransactionDocuments
  readonly #appended: (streams: readonly string[]) => void

  constructor(
    connection: OutboxConnection,
    append: CarefulAppend,
    {
      database,
      store,
      documents,
      appended,
    }: {
      database: Database
      store: string
      documents: (session: Pick<Session, 'query'>) => TransactionDocuments
      appended: (streams: readonly string[]) => void
    },
  ) {
    this.#connection = connection
    this.#append = append
    this.#database = database
    this.#store = store
    this.#documents = documents
    this.#appended = appended
  }

  async append(request: AppendRequest): Promise<Receipt> {
    const session: Pick<Session, 'query'> = { query: (sql, values = []) => this.#query(sql, values) }
    const sql: SqlTag = () => {
      throw new HodisaError('capability-missing', 'SQL of inline projections does not run in an outbox', {
        capability: 'inline sql',
      })
    }
    try {
      const { receipt, streams } = await this.#append.append(
        [request],
        { session, documents: this.#documents(session), sql, durable: null },
        (locked) => this.#check(request, locked, session),
      )
      this.#appended(streams)
      return receipt
    } catch (error) {
      throw this.#explained(error)
    }
  }

  /** Rows as arrays, whichever way the connection gives them. */
  async #query<Row extends readonly unknown[]>(sql: string, values: readonly unknown[]): Promise<Row[]> {
    const result = await this.#connection.query(this.#database.named(sql), [...values])
    const rows: unknown = Array.isArray(result) ? result : (result as { rows?: unknown } | null)?.rows
    if (!Array.isArray(rows)) {
      throw new HodisaError(
        'invalid-option',
        'query() of the outbox connection must resolve with rows, or with { rows }',
        {
          option: 'connection',
        },
      )
    }
    return rows.map(toArray) as unknown as Row[]
  }

  async #check(request: AppendRequest, locked: Locked, session: Pick<Session, 'query'>): Promise<void> {
    if (locked.store !== this.#store) throw this.#otherStore()
    // Events find out by themselves, without a statement more; but these are written before them.
    if (request.inline === undefined && request.documents === undefined) return
    const [row] = await session.query<[[string]]>(TRANSACTION)
    if (row?.[0][0] !== locked.transaction) throw noTransaction()
  }

  #explained(error: unknown): unknown {
    // No such schema, function or table.
    if (['3F000', '42883', '42P01'].includes(stateOf(error))) return this.#otherStore(error)
    return mapError(error, this.#database.patience.where)
  }

  #otherStore(cause?: unknown): HodisaError {
    const { where } = this.#database.patience
    return new HodisaError(
      'outbox-other-store',
      `the connection of the outbox is to another database than ${where}`,
      { store: where },
      cause,
    )
  }
}

/** A row by name or by place; the one column `result` is JSON, which some drivers leave as text. */
function toArray(row: unknown): readonly unknown[] {
  const values: readonly unknown[] = Array.isArray(row) ? row : Object.values(row as object)
  const [only] = values
  return values.length === 1 && typeof only === 'string' ? [JSON.parse(only)] : values
}

/** @throws {HodisaError} `invalid-option` */
export function asConnection(given: unknown): OutboxConnection {
  if (typeof given === 'object' && given !== null && 'query' in given && typeof given.query === 'function') {
    return given as OutboxConnection
  }
  throw new HodisaError('invalid-option', 'an outbox on PostgreSQL takes a client with query(text, values)', {
    option: 'connection',
  })
}

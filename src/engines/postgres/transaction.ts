import { randomBytes } from 'node:crypto'
import { HodisaError } from '../../errors.ts'
import type { TransactionDocuments } from '../../store/documents.ts'
import type { AppendRequest } from '../../store/events.ts'
import type { SqlRows, StoreTransaction } from '../../store/port.ts'
import type { Database, Session } from './database.ts'
import { isLost, stateOf } from './errors.ts'
import type { Named } from './names.ts'
import { type SqlRunner, transactionFailed } from './sql-tag.ts'

/** Ms that a transaction may wait for its program: a frozen one's locks do not hold its successor for longer. */
const LONGEST_IDLE = 2_000
/** Ms of one statement of an effect: below the lease. */
const LONGEST_STATEMENT = 5_000

const REMEMBERED = 'select exists (select from hodisa.outcomes o where o.attempt = $1::bigint)'

/** A call of a function of the store, sent in the same round trip as what begins or ends a transaction. */
export interface Call {
  readonly name: string
  readonly values: readonly (string | number | boolean)[]
}

/** A query that answers with true or false. */
export interface Proof {
  readonly sql: string
  readonly values: readonly unknown[]
}

/** What is done first and last in a transaction. */
export interface Ends {
  readonly opening?: Call
  readonly closing?: () => Call
  /** Whether it was committed, by what it wrote; a row of its own where this is left out. */
  readonly proof?: Proof
}

/**
 * Runs `work` in a transaction on a connection of its own. When the connection is lost while it commits, the server is asked what
 * became of it, so that the outcome is known.
 */
export async function inTransaction<Result>(
  database: Database,
  work: (session: Session) => Promise<Result>,
  { opening, closing, proof }: Ends = {},
): Promise<Result> {
  const id = proof === undefined ? randomBytes(8).readBigInt64BE().toString() : ''
  /** What the server calls it, once it has begun. */
  let opened: string | undefined
  /** What `work` came to, once all that is left is to commit. */
  let done: { readonly result: Result } | undefined
  const attempt = () =>
    database.session(async (session) => {
      try {
        opened = await begin(session, database, opening)
        const result = await work(session)
        done = { result }
        const calls = closing === undefined ? [] : [closing()]
        if (proof === undefined) calls.push({ name: 'remember', values: [id] })
        await commit(session, database, calls)
        return result
      } catch (error) {
        await rollback(session, error)
        throw stateOf(error) === '25P02' ? transactionFailed(error) : error
      }
    })
  try {
    // Nothing was done yet where it did not even begin.
    return await database.persistently(attempt, () => opened === undefined)
  } catch (error) {
    const isUnknown = error instanceof Error && isLost(error.cause)
    if (done === undefined || opened === undefined || !isUnknown) throw error
    if (await isCommitted(database, opened, proof ?? { sql: REMEMBERED, values: [id] })) return done.result
    throw error
  }
}

/** One round trip; resolves with what `hodisa.is_open` takes. */
async function begin(session: Session, { named, patience }: Database, opening?: Call): Promise<string | undefined> {
  const first = named(`hodisa.begin_work(${patience.durable}, ${LONGEST_IDLE}, ${LONGEST_STATEMENT}) as opened`)
  const calls = opening === undefined ? first : `${first}, ${textOf(opening, named)}`
  const results: unknown = await session.raw({ text: `begin isolation level read committed; select ${calls}` })
  const last = Array.isArray(results) ? results.at(-1) : undefined
  return (last as { rows: { opened: string }[] } | undefined)?.rows[0]?.opened
}

async function commit(session: Session, { named }: Database, calls: readonly Call[]): Promise<void> {
  const last = calls.map((call) => textOf(call, named))
  const text = last.length === 0 ? 'commit' : `select ${last.join(', ')}; commit`
  const results: unknown = await session.raw({ text })
  const result = Array.isArray(results) ? results.at(-1) : results
  if ((result as { command?: string }).command === 'ROLLBACK') throw transactionFailed()
}

/** Several statements at once take no parameters: values stand in the text, in the form that no setting changes the meaning of. */
function textOf({ name, values }: Call, named: Named): string {
  const literals = values.map((value) =>
    typeof value !== 'string' ? value : `E'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`,
  )
  return `${named(`hodisa.${name}`)}(${literals.join(', ')})`
}

/** Also where it failed to begin or to commit: then there is nothing to undo, and no harm in saying so. */
async function rollback(session: Session, error: unknown): Promise<void> {
  if (isLost(error) || (error instanceof Error && isLost(error.cause))) return
  await session.raw({ text: 'rollback' })
}

async function isCommitted(database: Database, opened: string, proof: Proof): Promise<boolean> {
  const asked = async ({ sql, values }: Proof) => (await database.query<[boolean]>(sql, values))[0]?.[0] === true
  while (await asked({ sql: 'select hodisa.is_open($1::text)', values: [opened] })) {
    await new Promise<void>((resume) => database.patience.clock.after(20, resume))
  }
  return asked(proof)
}

/** What the user's work sees of an open transaction. */
export class OpenTransaction {
  readonly requests: AppendRequest[] = []
  readonly face: StoreTransaction
  #open = true

  constructor(session: Session, sql: SqlRunner, documents: TransactionDocuments) {
    const whileOpen = <Value>(action: () => Promise<Value>): Promise<Value> =>
      this.#open ? action() : quietly<Value>(over())
    this.face = {
      sql: <Row>(parts: TemplateStringsArray, ...values: readonly unknown[]) =>
        whileOpen<SqlRows<Row>>(() => sql.run<Row>(session, parts, values)),
      documents: {
        get: (collection, ids) => whileOpen(() => documents.get(collection, ids)),
        write: (writes) => whileOpen(() => documents.write(writes)),
      },
      append: (request) => {
        if (!this.#open) throw over()
        this.requests.push(request)
      },
    }
  }

  close(): void {
    this.#open = false
  }
}

/** A rejection that is no unhandled one, whether or not the abandoned work still awaits it. */
function quietly<Value>(error: unknown): Promise<Value> {
  const rejected = Promise.reject<Value>(error)
  rejected.catch(() => {})
  return rejected
}

function over(): HodisaError {
  return new HodisaError('context-dead', 'this transaction is over', {})
}

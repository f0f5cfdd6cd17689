import { HodisaError } from '../../errors.ts'
import type { TransactionDocuments } from '../../store/documents.ts'
import type { AppendRequest, InlineTransaction } from '../../store/events.ts'
import type { SqlRows, StoreTransaction } from '../../store/port.ts'
import type { Connection } from './connection.ts'
import type { DocumentWriter } from './document-writer.ts'
import { mapError } from './errors.ts'
import type { SqlRunner } from './sql-tag.ts'

/** What the work of a transaction is given to work with. */
export interface Tools {
  readonly connection: Connection
  readonly file: string
  readonly sql: SqlRunner
  readonly documents: DocumentWriter
}

/**
 * Runs the user's work inside the open transaction, which everybody else waits for. What awaits only `tx` ends before the event
 * loop turns; what does not has awaited something else.
 *
 * @throws {HodisaError} `commit-awaited-io`, and whatever the work throws
 */
export async function runWork<Result>(
  work: (tx: StoreTransaction) => Promise<Result>,
  tools: Tools,
): Promise<{ result: Result; requests: readonly AppendRequest[] }> {
  const requests: AppendRequest[] = []
  const result = await runInside(tools, (tx) =>
    work({
      ...tx.face,
      append(request) {
        tx.assertOpen()
        requests.push(request)
      },
    }),
  )
  return { result, requests }
}

/** The same for work that belongs to an append. */
export function runInline(work: (tx: InlineTransaction) => Promise<void>, tools: Tools): Promise<void> {
  return runInside(tools, (tx) => work(tx.face))
}

async function runInside<Result>(tools: Tools, work: (tx: OpenTransaction) => Promise<Result>): Promise<Result> {
  const tx = new OpenTransaction(tools)
  try {
    const result = await beforeTheLoopTurns(() => work(tx))
    // Else what comes next would be written outside of any transaction.
    if (tools.connection.inTransaction) return result
    throw new HodisaError('invalid-option', 'a statement of the work ended the transaction', {})
  } finally {
    tx.close()
  }
}

function beforeTheLoopTurns<Result>(work: () => Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    // Before the work begins: of two immediates the first is the first to run.
    const turned = setImmediate(() => {
      reject(new HodisaError('commit-awaited-io', 'the work of a transaction awaited something else than `tx`', {}))
    })
    // Stays attached after the transaction was given up: a late rejection is nobody's any more.
    work().then(
      (result) => {
        clearImmediate(turned)
        resolve(result)
      },
      (error) => {
        clearImmediate(turned)
        reject(error)
      },
    )
  })
}

class OpenTransaction {
  readonly face: InlineTransaction
  readonly #file: string
  #open = true

  constructor({ sql, documents, file }: Tools) {
    this.#file = file
    this.face = {
      sql: <Row>(parts: TemplateStringsArray, ...values: readonly unknown[]) =>
        this.#atOnce(() => sql.run(parts, values) as SqlRows<Row>),
      documents: {
        get: (collection, ids) => this.#atOnce(() => documents.get(collection, ids)),
        write: (writes) =>
          this.#atOnce(() => {
            documents.check(writes)
            documents.write(writes)
          }),
      } satisfies TransactionDocuments,
    }
  }

  /** @throws {HodisaError} `context-dead` */
  assertOpen(): void {
    if (!this.#open) throw over()
  }

  close(): void {
    this.#open = false
  }

  #atOnce<Result>(action: () => Result): Promise<Result> {
    if (!this.#open) return quietly(over())
    try {
      return Promise.resolve(action())
    } catch (error) {
      return Promise.reject(mapError(error, this.#file))
    }
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

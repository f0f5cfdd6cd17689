import { HodisaError } from '../../errors.ts'
import type { AppendRequest } from '../../store/events.ts'
import type { SqlRows, StoreTransaction } from '../../store/port.ts'
import type { SqlRunner } from './sql-tag.ts'

/**
 * Runs the user's work inside the open transaction, which everybody else waits for. What awaits only `tx` ends before the event
 * loop turns; what does not has awaited something else.
 *
 * @throws {HodisaError} `commit-awaited-io`, and whatever the work throws
 */
export async function runWork<Result>(
  work: (tx: StoreTransaction) => Promise<Result>,
  sql: SqlRunner,
): Promise<{ result: Result; requests: readonly AppendRequest[] }> {
  const tx = new OpenTransaction(sql)
  try {
    const result = await beforeTheLoopTurns(() => work(tx.face))
    return { result, requests: tx.requests }
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
  readonly requests: AppendRequest[] = []
  readonly face: StoreTransaction
  #open = true

  constructor(sql: SqlRunner) {
    this.face = {
      sql: <Row>(parts: TemplateStringsArray, ...values: readonly unknown[]) => {
        if (!this.#open) return quietly<SqlRows<Row>>(over())
        try {
          return Promise.resolve(sql.run(parts, values) as SqlRows<Row>)
        } catch (error) {
          return Promise.reject(error)
        }
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

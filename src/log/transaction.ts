import { HodisaError } from '../errors.ts'
import type { NewEvent } from '../event/types.ts'
import type { EventToAppend } from '../store/events.ts'
import type { SqlTag, StoreTransaction } from '../store/port.ts'

/** An open transaction of the store, as user code sees it. Only `tx` may be awaited while it is open. */
export interface Transaction {
  /** The user's SQL, in the store's database: ``await tx.sql`update stock set …` ``. Values become parameters. */
  readonly sql: SqlTag
  /** Recorded with the transaction, or not at all. Validated at once. */
  publish(...events: readonly NewEvent[]): void
}

/** Runs the user's work in a transaction that collects what it publishes; resolves with both. */
export function userWork<Result>(
  work: (tx: Transaction) => Promise<Result> | Result,
  prepare: (event: NewEvent) => EventToAppend,
) {
  return async (tx: StoreTransaction): Promise<{ result: Result; events: readonly EventToAppend[] }> => {
    const events: EventToAppend[] = []
    let over = false
    const transaction: Transaction = {
      sql: tx.sql,
      publish: (...published) => {
        if (over) throw new HodisaError('context-dead', 'the transaction is over and takes no more events')
        for (const event of published) events.push(prepare(event))
      },
    }
    try {
      return { result: await work(transaction), events }
    } finally {
      over = true
    }
  }
}

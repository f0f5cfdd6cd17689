import { derivedId } from '../event/id.ts'
import type { NewEvent } from '../event/types.ts'
import type { EventToAppend } from '../store/events.ts'
import type { SqlTag, StoreTransaction } from '../store/port.ts'
import type { Preparer } from './prepare.ts'

/** An open transaction of the store, as user code sees it. Only `tx` may be awaited while it is open. */
export interface Transaction {
  /** The user's SQL, in the store's database: ``await tx.sql`update stock set …` ``. Values become parameters. */
  readonly sql: SqlTag
  /** Recorded with the transaction, or not at all. Validated at once. */
  publish(...events: readonly NewEvent[]): void
}

/** Gives user code a transaction that collects what it publishes into one append. */
export function userTransaction(tx: StoreTransaction, prepare: (event: NewEvent) => EventToAppend) {
  const events: EventToAppend[] = []
  const transaction: Transaction = {
    sql: tx.sql,
    publish: (...published) => {
      for (const event of published) events.push(prepare(event))
    },
  }
  return { transaction, events }
}

/** Prepares what a handler publishes: ids derived from the cause, so that the first recording wins. */
export function derivedPreparer(
  preparer: Preparer,
  service: string,
  eventId: string,
): (event: NewEvent) => EventToAppend {
  let ordinal = 0
  return (event) => preparer.prepareNow(event, { id: derivedId('evt', service, eventId, ordinal++) })
}

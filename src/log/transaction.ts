import { AsyncLocalStorage } from 'node:async_hooks'
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

// One for the process: a handler may have its app from anywhere.
const inside = new AsyncLocalStorage<{ open: boolean }>()

/**
 * Why an app may not write where a transaction of the user's is open: it would be no part of it, so that it would stay where the
 * transaction fails, and be done again with the next attempt. Undefined anywhere else.
 */
export function refusalInTransaction(call: string): HodisaError | undefined {
  if (inside.getStore()?.open !== true) return undefined
  return new HodisaError(
    'commit-awaited-io',
    `app.${call} was called inside a transaction, of which it would be no part: use tx.publish, or call it before or after`,
    { call },
  )
}

/** Runs the user's work in a transaction that collects what it publishes; resolves with both. */
export function userWork<Result>(
  work: (tx: Transaction) => Promise<Result> | Result,
  prepare: (event: NewEvent) => EventToAppend,
) {
  return async (tx: StoreTransaction): Promise<{ result: Result; events: readonly EventToAppend[] }> => {
    const events: EventToAppend[] = []
    const here = { open: true }
    const transaction: Transaction = {
      sql: tx.sql,
      publish: (...published) => {
        if (!here.open) throw new HodisaError('context-dead', 'the transaction is over and takes no more events')
        for (const event of published) events.push(prepare(event))
      },
    }
    try {
      return { result: await inside.run(here, () => work(transaction)), events }
    } finally {
      here.open = false
    }
  }
}

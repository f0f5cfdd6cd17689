import { type Order, order } from './sample.ts'

/** Events that wait for a projection, and the documents that they are about. */
export interface Backlog {
  readonly events: number
  readonly documents: number
}

/** What a projection by hand keeps: JSON, as Hodisa does, or numbers in columns. */
export type RawTarget = 'documents' | 'columns'

/** Without a common divisor with the numbers of documents, so that a page of events is about documents in no order. */
const STEP = 61_803

/** An order of the backlog: each is about the same number of times, and each time as far from the last one. */
export function orderAt({ documents }: Backlog, index: number): Order {
  return { ...order(index), orderId: `ord_${(index * STEP) % documents}` }
}

import { appendConformance } from './append.ts'
import { deadLettersConformance } from './dead-letters.ts'
import { documentSearchConformance } from './document-search.ts'
import { documentWritesConformance } from './document-writes.ts'
import { documentsConformance } from './documents.ts'
import { expectedRevisionConformance } from './expected-revision.ts'
import { groupsConformance } from './groups.ts'
import { idempotencyConformance } from './idempotency.ts'
import { inlineConformance } from './inline.ts'
import { lifecycleConformance } from './lifecycle.ts'
import { limitsConformance } from './limits.ts'
import { logConformance } from './log.ts'
import { presenceConformance } from './presence.ts'
import { progressConformance } from './progress.ts'
import { receiptsConformance } from './receipts.ts'
import { streamsConformance } from './streams.ts'
import type { Conformance } from './suite.ts'
import { transactionsConformance } from './transactions.ts'
import { watchConformance } from './watch.ts'

export { anEvent, append, eventsOf, expecting, identified } from './events.ts'
export { type ProcessConformance, processConformance, type SharedPlace } from './processes.ts'
export type { Conformance, Held, Place, Registrar } from './suite.ts'

/**
 * Tells whether an engine is a store: registers the tests of everything that `Store` promises with the test runner it is
 * given. Each test gets an empty store of its own. What an engine cannot do by its capabilities is not skipped: the test
 * asserts how it refuses.
 */
export function conformance(suite: Conformance): void {
  suite.describe(`${suite.name} conforms to the store port`, () => {
    appendConformance(suite)
    expectedRevisionConformance(suite)
    idempotencyConformance(suite)
    streamsConformance(suite)
    logConformance(suite)
    limitsConformance(suite)
    receiptsConformance(suite)
    transactionsConformance(suite)
    watchConformance(suite)
    presenceConformance(suite)
    groupsConformance(suite)
    progressConformance(suite)
    deadLettersConformance(suite)
    documentsConformance(suite)
    documentSearchConformance(suite)
    documentWritesConformance(suite)
    inlineConformance(suite)
    lifecycleConformance(suite)
  })
}

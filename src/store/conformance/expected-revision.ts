import assert from 'node:assert/strict'
import type { ExpectedRevision } from '../events.ts'
import { anEvent, append, eventsOf, expecting } from './events.ts'
import { type Conformance, checks, refused } from './suite.ts'

const EXPECTED: readonly ExpectedRevision[] = ['any', 'none', 'exists', 0, 2, 5]
const STREAMS = [0, 2, 3]

/** The whole matrix of `expectedRevision` against how far the stream is. */
export function expectedRevisionConformance(suite: Conformance): void {
  const check = checks(suite)

  suite.describe('expected revision', () => {
    for (const expected of EXPECTED) {
      for (const actual of STREAMS) {
        const holds =
          expected === 'any' ||
          (expected === 'none' && actual === 0) ||
          (expected === 'exists' && actual > 0) ||
          expected === actual
        check(`${expected} ${holds ? 'holds for' : 'refuses'} a stream at ${actual}`, async ({ store }) => {
          if (actual > 0) await store.append(append(eventsOf('order-1', actual)))
          const head = await store.head()
          const write = store.append(append(anEvent({ stream: 'order-1' }), [expecting('order-1', expected)]))
          if (holds) {
            assert.deepEqual((await write).streams, [{ stream: 'order-1', revision: actual + 1 }])
          } else {
            const { details } = await refused('revision-conflict', write)
            assert.equal(details.stream, 'order-1')
            assert.equal(details.expectedRevision, expected)
            assert.equal(details.actualRevision, actual)
            assert.equal(await store.head(), head)
          }
          assert.equal(await store.streamRevision('order-1'), holds ? actual + 1 : actual)
        })
      }
    }
  })
}

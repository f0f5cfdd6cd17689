import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { HodisaError, isHodisaError } from '../errors.ts'
import { anEvent, append, eventsOf, expecting, identified } from './conformance/events.ts'
import type { AppendRequest, EventToAppend, ExpectedRevision } from './events.ts'
import {
  type AppendPlan,
  type AppendView,
  assertSize,
  type KnownEvent,
  planAppend,
  type StreamHead,
} from './plan-append.ts'
import type { Capabilities } from './port.ts'

/** A log that records what is planned, with nothing clever in it. */
class PlainLog implements AppendView {
  readonly known_ = new Map<string, KnownEvent>()
  readonly heads = new Map<string, StreamHead>()
  readonly documents = new Set<string>()
  readonly events: { readonly event: EventToAppend; readonly revision: number | null; readonly timestamp: number }[] =
    []

  streamHead(stream: string): StreamHead {
    return this.heads.get(stream) ?? { revision: 0, timestamp: 0 }
  }

  known(id: string): KnownEvent | undefined {
    return this.known_.get(id)
  }

  hasDocument(collection: string, id: string): boolean {
    return this.documents.has(`${collection}/${id}`)
  }

  record(request: AppendRequest): AppendPlan {
    const plan = planAppend(request, this)
    for (const planned of plan.fresh) {
      const { id, version, stream, type, bucket, fingerprint } = planned.event
      this.events.push(planned)
      const position = this.events.length
      const { revision } = planned
      if (fingerprint !== null) this.known_.set(id, { fingerprint, version, position, stream, revision, type, bucket })
    }
    for (const [stream, head] of plan.heads) this.heads.set(stream, head)
    return plan
  }
}

const streams = ['thing-a', 'thing-b', null] as const
const anyEvent = fc
  .record({
    stream: fc.constantFrom(...streams),
    id: fc.option(fc.constantFrom('1', '2', '3', '4'), { nil: null }),
    content: fc.constantFrom('x', 'y'),
    timestamp: fc.nat(1_000),
    version: fc.constantFrom(1, 2),
  })
  .map(({ stream, id, content, timestamp, version }) => {
    const given = { stream, timestamp, version, type: 'thing.happened' }
    return id === null ? anEvent({ ...given, data: content }) : identified(`evt_${id}`, content, given)
  })
const anyCondition = fc
  .record({
    stream: fc.constantFrom('thing-a', 'thing-b'),
    expected: fc.constantFrom<ExpectedRevision>('any', 'none', 'exists', 0, 1, 2, 3),
  })
  .map(({ stream, expected }) => expecting(stream, expected))
const anyRequest = fc.record<AppendRequest>({
  events: fc.array(anyEvent, { maxLength: 5 }),
  conditions: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.array(anyCondition, { maxLength: 2 })),
  onReuse: fc.constantFrom('refuse', 'keep-first'),
})

describe('any history of appends', () => {
  test('keeps revisions dense, timestamps rising within a stream and given ids unique', () => {
    fc.assert(
      fc.property(fc.array(anyRequest, { maxLength: 12 }), (requests) => {
        const log = new PlainLog()
        for (const request of requests) {
          const before = log.events.length
          try {
            log.record(request)
          } catch (error) {
            assert.ok(isHodisaError(error), String(error))
            assert.ok(['id-reused', 'partial-duplicate', 'revision-conflict'].includes(error.code))
            assert.equal(log.events.length, before)
          }
        }
        for (const stream of ['thing-a', 'thing-b']) {
          const own = log.events.filter(({ event }) => event.stream === stream)
          assert.deepEqual(
            own.map(({ revision }) => revision),
            own.map((_, index) => index + 1),
          )
          assert.ok(own.every(({ timestamp }, index) => timestamp >= (own[index - 1]?.timestamp ?? 0)))
          assert.equal(log.streamHead(stream).revision, own.length)
        }
        const given = log.events.filter(({ event }) => event.fingerprint !== null).map(({ event }) => event.id)
        assert.equal(new Set(given).size, given.length)
      }),
      { numRuns: 500 },
    )
  })

  test('can be repeated: an append of given ids that was recorded changes nothing the second time', () => {
    const given = fc.array(
      anyEvent.filter(({ fingerprint }) => fingerprint !== null),
      { minLength: 1, maxLength: 5 },
    )
    fc.assert(
      fc.property(fc.array(anyRequest, { maxLength: 4 }), given, (history, events) => {
        const log = new PlainLog()
        for (const request of [...history, append(events, [], 'keep-first')]) {
          try {
            log.record(request)
          } catch (error) {
            assert.ok(error instanceof HodisaError)
          }
        }
        const first = log.record(append(events, [], 'keep-first'))
        const conditions = [expecting('thing-a', 99)]
        const again = log.record(append(events, conditions, 'keep-first'))
        assert.deepEqual(again.fresh, [])
        assert.deepEqual([again.ids, again.streams], [first.ids, first.streams])
      }),
    )
  })
})

describe('planning an append', () => {
  test('says the end of each stream that gets an event, and of no other', () => {
    const log = new PlainLog()
    log.record(append(eventsOf('thing-a', 3)))
    const plan = log.record(append([...eventsOf('thing-b', 2), anEvent()], [expecting('thing-a', 3)]))
    assert.deepEqual(plan.streams, [{ stream: 'thing-b', revision: 2 }])
    assert.deepEqual([...plan.heads.keys()], ['thing-b'])
  })

  test('gives a duplicate the revision of its own event, not the present one of the stream', () => {
    const log = new PlainLog()
    const request = append(identified('evt_1', 'x', { stream: 'thing-a' }))
    log.record(request)
    log.record(append(eventsOf('thing-a', 5)))
    assert.deepEqual(log.record(request).streams, [{ stream: 'thing-a', revision: 1 }])
  })

  test('reports reuse before a conflict, and a partial duplicate before one', () => {
    const log = new PlainLog()
    log.record(append(identified('evt_1', 'x', { stream: 'thing-a' })))
    const [same, other] = ['x', 'y'].map((data) => identified('evt_1', data, { stream: 'thing-a' }))
    const fresh = anEvent({ stream: 'thing-a' })
    assert.ok(same && other)
    assert.throws(() => log.record(append([other, fresh], [expecting('thing-a', 9)])), { code: 'id-reused' })
    assert.throws(() => log.record(append([same, fresh], [expecting('thing-a', 9)])), { code: 'partial-duplicate' })
    assert.throws(() => log.record(append([same, fresh], [expecting('thing-b', 'exists')])), {
      code: 'revision-conflict',
    })
  })

  test('refuses a condition of a kind it does not know, also where the ids are known', () => {
    const log = new PlainLog()
    const event = identified('evt_1')
    log.record(append(event))
    const unknown = { kind: 'query' as 'expectedRevision', stream: 'thing-a', expected: 'any' as const }
    assert.throws(() => log.record(append(event, [unknown])), { code: 'capability-missing' })
  })

  test('reports a document that stands after a conflict, and not for a duplicate', () => {
    const log = new PlainLog()
    const event = identified('evt_1', 'x', { stream: 'thing-a' })
    log.record(append(event))
    log.documents.add('outcomes/1')
    const noDocument = { kind: 'noDocument', collection: 'outcomes', id: '1' } as const
    assert.throws(() => log.record(append([], [noDocument])), {
      code: 'document-exists',
      details: { collection: 'outcomes', id: '1' },
    })
    assert.throws(() => log.record(append([], [noDocument, expecting('thing-a', 7)])), { code: 'revision-conflict' })
    log.record(append([], [{ ...noDocument, id: '2' }, expecting('thing-a', 1)]))
    assert.deepEqual(log.record(append(event, [noDocument])).fresh, [])
  })

  test('names every stream and both revisions in a conflict', () => {
    const log = new PlainLog()
    log.record(append(eventsOf('thing-a', 2)))
    assert.throws(() => log.record(append([], [expecting('thing-a', 1), expecting('thing-b', 'exists')])), {
      code: 'revision-conflict',
      message: 'thing-a expected 1, is at 2; thing-b expected exists, is at 0',
    })
  })
})

describe('the size of an append', () => {
  const limits: Capabilities = {
    transactions: true,
    sql: false,
    multiStreamAppend: true,
    multiProcess: false,
    durable: false,
    maxEventsPerAppend: 3,
    maxEventBytes: 100,
    exclusiveTransactions: true,
    synchronousOutbox: false,
  }

  test('may be up to the limits', () => {
    assertSize(append(eventsOf('thing-a', 3)), limits)
    assertSize(append(anEvent({ data: 'x'.repeat(60), metadata: 'x'.repeat(40) })), limits)
  })

  test('over the number of events is refused with the limit', () => {
    assert.throws(() => assertSize(append(eventsOf('thing-a', 4)), limits), {
      code: 'append-too-large',
      details: { limit: 3, events: 4 },
    })
  })

  test('is measured in bytes of UTF-8, data and metadata together', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 120 }),
        fc.option(fc.string({ maxLength: 40 })),
        (data, metadata) => {
          const event = anEvent({ data, metadata })
          const bytes = Buffer.byteLength(data + (metadata ?? ''))
          const check = () => assertSize(append([anEvent({ data: '' }), event]), limits)
          if (bytes <= 100) check()
          else
            assert.throws(check, {
              code: 'event-too-large',
              details: { id: event.id, type: event.type, bytes, limit: 100 },
            })
        },
      ),
    )
  })
})

import assert from 'node:assert/strict'
import { anEvent, append, eventsOf, expecting } from './events.ts'
import { type Conformance, checks, idsIn, readAll, refused } from './suite.ts'

/** Recording, and writers at the same time. */
export function appendConformance(suite: Conformance): void {
  const check = checks(suite)

  suite.describe('append', () => {
    check('gives back every field as it was recorded', async ({ store, clock }) => {
      const event = anEvent({
        type: 'order.created',
        version: 3,
        kind: 'integration',
        timestamp: 1_600_000_000_123,
        stream: 'order-1',
        source: 'shop',
        correlationId: 'cor_x',
        causationId: 'evt_cause',
        metadata: '{"user":"usr_1"}',
        data: '{"total":9.99}',
        tenant: 'acme',
        subject: 'usr_1',
        tags: '["a","b"]',
        encoding: 'aes',
        expiresAt: 1_900_000_000_000,
      })
      await store.append(append(event))
      const { fingerprint: _, ...fields } = event
      const [read] = await readAll(store)
      assert.ok(read !== undefined)
      const position = read.position
      assert.ok(Number.isSafeInteger(position) && position > 0)
      assert.deepEqual({ ...read }, { ...fields, position, revision: 1, recordedAt: clock.now })
      assert.deepEqual(await store.readStream({ stream: 'order-1', limit: 10 }), [read])
      assert.deepEqual(await store.byIds([event.id]), [read])
    })

    check('keeps revision and stream empty for an event of no stream', async ({ store }) => {
      const receipt = await store.append(append(anEvent({ key: 'user-7' })))
      const [read] = await readAll(store)
      assert.deepEqual([read?.stream, read?.revision, read?.key], [null, null, 'user-7'])
      assert.deepEqual(receipt.streams, [])
    })

    check('returns ids in order and the revision of each stream', async ({ store }) => {
      const events = [...eventsOf('order-1', 2), anEvent(), ...eventsOf('order-2', 1)]
      const receipt = await store.append(append(events))
      assert.deepEqual(
        receipt.ids,
        events.map(({ id }) => id),
      )
      assert.equal(receipt.duplicate, false)
      assert.deepEqual(
        new Map(receipt.streams.map(({ stream, revision }) => [stream, revision])),
        new Map([
          ['order-1', 2],
          ['order-2', 1],
        ]),
      )
      assert.deepEqual(JSON.parse(JSON.stringify(receipt)), receipt)
      assert.equal('position' in receipt, false)
    })

    check('gives dense revisions to streams that alternate in one append', async ({ store }) => {
      const [a1, b1, a2] = [
        anEvent({ stream: 'thing-a' }),
        anEvent({ stream: 'thing-b' }),
        anEvent({ stream: 'thing-a' }),
      ]
      await store.append(append([a1, b1, a2]))
      const read = await readAll(store)
      assert.deepEqual(
        read.map(({ id, revision }) => [id, revision]),
        [
          [a1.id, 1],
          [b1.id, 1],
          [a2.id, 2],
        ],
      )
    })

    check('records nothing for an empty append', async ({ store }) => {
      const receipt = await store.append(append([]))
      assert.deepEqual([receipt.ids, receipt.streams, receipt.duplicate], [[], [], false])
      assert.equal(await store.head(), 0)
      assert.deepEqual(await store.resolve(receipt.token), [])
    })

    check('never lets a timestamp fall within a stream', async ({ store }) => {
      for (const timestamp of [2_000, 1_000, 3_000])
        await store.append(append(anEvent({ stream: 'thing-1', timestamp })))
      await store.append(append(anEvent({ stream: 'thing-2', timestamp: 500 })))
      const timestamps = (await readAll(store)).map(({ timestamp }) => timestamp)
      assert.deepEqual(timestamps, [2_000, 2_000, 3_000, 500])
    })

    check('never lets recordedAt fall, also when the clock does', async ({ store, another, clock }) => {
      const other = await another()
      const start = clock.now
      await store.append(append(anEvent()))
      clock.now = start - 3_600_000
      await other.append(append(anEvent()))
      clock.now = start + 5
      await store.append(append(anEvent()))
      const times = (await readAll(store)).map(({ recordedAt }) => recordedAt - start)
      assert.deepEqual(times, [0, 0, 5])
    })

    check('reports every violated condition of several streams and writes nothing', async ({ store }) => {
      await store.append(append(eventsOf('order-1', 2)))
      const head = await store.head()
      const error = await refused(
        'revision-conflict',
        store.append(
          append(
            [anEvent({ stream: 'order-1' }), anEvent({ stream: 'order-3' })],
            [expecting('order-1', 1), expecting('order-2', 'exists'), expecting('order-3', 'none')],
          ),
        ),
      )
      assert.deepEqual(error.details.violations, [
        { stream: 'order-1', expected: 1, actual: 2 },
        { stream: 'order-2', expected: 'exists', actual: 0 },
      ])
      assert.equal(await store.head(), head)
      assert.equal(await store.streamRevision('order-3'), 0)
    })

    check('checks streams that get no event', async ({ store }) => {
      await store.append(append([], [expecting('order-1', 'none')]))
      await store.append(append(eventsOf('order-1', 1)))
      await refused('revision-conflict', store.append(append([], [expecting('order-1', 'none')])))
      await refused('revision-conflict', store.append(append(anEvent(), [expecting('order-1', 7)])))
      assert.equal((await idsIn(store)).length, 1)
    })

    check('refuses a condition of a kind it does not know', async ({ store }) => {
      const unknown = { kind: 'query' as 'expectedRevision', stream: 'order-1', expected: 'any' as const }
      await refused('capability-missing', store.append(append(anEvent(), [unknown])))
      assert.equal(await store.head(), 0)
    })
  })

  suite.describe('writers at the same time', () => {
    check('one of two on the same revision wins, the other learns both revisions', async ({ store, another }) => {
      const other = await another()
      await store.append(append(eventsOf('order-1', 1)))
      const outcomes = await Promise.allSettled(
        [store, other].map((each) => each.append(append(anEvent({ stream: 'order-1' }), [expecting('order-1', 1)]))),
      )
      assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
      const lost = outcomes.find((outcome) => outcome.status === 'rejected')
      const error = await refused('revision-conflict', Promise.reject(lost?.reason))
      assert.deepEqual(
        [error.details.stream, error.details.expectedRevision, error.details.actualRevision],
        ['order-1', 1, 2],
      )
    })

    check('exactly one of many wins, and losers burn no position', async ({ store, another }) => {
      const other = await another()
      await store.append(append(anEvent()))
      const before = await store.head()
      const outcomes = await Promise.allSettled(
        Array.from({ length: 40 }, (_, index) =>
          (index % 2 ? store : other).append(append(anEvent({ stream: 'order-1' }), [expecting('order-1', 'none')])),
        ),
      )
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
      await store.append(append(anEvent()))
      assert.equal(await store.head(), before + 2)
    })

    check('a conflict rejects its own caller only', async ({ store }) => {
      await store.append(append(eventsOf('order-1', 1)))
      const outcomes = await Promise.allSettled([
        store.append(append(anEvent({ stream: 'order-2' }))),
        store.append(append(anEvent({ stream: 'order-1' }), [expecting('order-1', 'none')])),
        store.append(append(anEvent({ stream: 'order-3' }))),
      ])
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled'],
      )
      assert.equal((await idsIn(store)).length, 3)
    })

    check('revisions stay dense and both connections read one order', async ({ store, another }) => {
      const other = await another()
      await Promise.all(
        Array.from({ length: 60 }, (_, index) =>
          (index % 2 ? store : other).append(append(anEvent({ stream: `thing-${index % 3}` }))),
        ),
      )
      for (const stream of ['thing-0', 'thing-1', 'thing-2']) {
        const events = await store.readStream({ stream, limit: 100 })
        assert.deepEqual(
          events.map(({ revision }) => revision),
          Array.from({ length: 20 }, (_, index) => index + 1),
        )
      }
      const log = await readAll(store)
      assert.deepEqual(await readAll(other), log)
      assert.ok(log.every((event, index) => index === 0 || event.position > (log[index - 1]?.position ?? 0)))
    })

    check('an append that has resolved is read by every connection at once', async ({ store, another }) => {
      const other = await another()
      const event = anEvent({ stream: 'order-1' })
      await store.append(append(event))
      assert.deepEqual(await idsIn(other), [event.id])
      assert.equal(await other.streamRevision('order-1'), 1)
      assert.equal(await other.head(), await store.head())
    })

    check('appends of one caller are recorded in the order of its calls', async ({ store }) => {
      const events = Array.from({ length: 50 }, () => anEvent())
      await Promise.all(events.map((event) => store.append(append(event))))
      assert.deepEqual(
        await idsIn(store),
        events.map(({ id }) => id),
      )
    })
  })
}

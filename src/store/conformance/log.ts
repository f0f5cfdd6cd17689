import assert from 'node:assert/strict'
import { anEvent, append, eventsOf } from './events.ts'
import { type Conformance, checks, idsIn, pagesOf, readAll, refused } from './suite.ts'

/** Reading the log in pages, with filters. */
export function logConformance(suite: Conformance): void {
  const check = checks(suite)

  suite.describe('reading the log', () => {
    check('of an empty store is at its end at once', async ({ store }) => {
      for (const backwards of [false, true]) {
        const page = await store.readLog({ limit: 10, backwards })
        assert.deepEqual([page.events, page.end], [[], true])
      }
      assert.equal((await store.readLog({ limit: 10 })).scanned, 0)
      assert.deepEqual([await store.head(), await store.oldest(), await store.positionAt(9e12)], [0, 0, 0])
    })

    check('page size one equals page size many, both ways', async ({ store }) => {
      await store.append(append([...eventsOf('order-1', 10), ...eventsOf('order-2', 7)]))
      const all = await readAll(store)
      assert.equal(all.length, 17)
      for (const limit of [1, 2, 5, 17, 18]) {
        assert.deepEqual(await readAll(store, { limit }), all)
        assert.deepEqual(await readAll(store, { limit, backwards: true }), [...all].reverse())
      }
    })

    check('is bounded by after and until', async ({ store }) => {
      await store.append(append(eventsOf('order-1', 9)))
      const at = (await readAll(store)).map(({ position }) => position)
      const [after, until] = [at[2], at[6]]
      assert.ok(after !== undefined && until !== undefined)
      for (const limit of [1, 2, 100]) {
        const forth = await readAll(store, { after, until, limit })
        assert.deepEqual(
          forth.map(({ position }) => position),
          at.slice(3, 7),
        )
        const back = await readAll(store, { after, until, limit, backwards: true })
        assert.deepEqual(back, [...forth].reverse())
      }
      assert.deepEqual(await readAll(store, { after: until, until: after }), [])
    })

    check('past the end is empty, and does not claim to have looked at what is not there yet', async ({ store }) => {
      await store.append(append(eventsOf('order-1', 3)))
      const head = await store.head()
      const page = await store.readLog({ until: head + 1_000, limit: 10 })
      assert.deepEqual([page.events.length, page.scanned, page.end], [3, head, true])
      const empty = await store.readLog({ after: head, limit: 10 })
      assert.deepEqual([empty.events, empty.scanned, empty.end], [[], head, true])
    })

    check('continues without a seam from a page at the end to what comes later', async ({ store }) => {
      const events = Array.from({ length: 30 }, () => anEvent())
      const read: string[] = []
      let after = 0
      for (const event of events) {
        await store.append(append(event))
        const page = await store.readLog({ after, limit: 2 })
        read.push(...page.events.map(({ id }) => id))
        after = page.scanned
      }
      assert.deepEqual(
        read,
        events.map(({ id }) => id),
      )
    })

    check('counts what a filter passes over as scanned', async ({ store }) => {
      const events = Array.from({ length: 5_000 }, () => anEvent())
      for (let batch = 0; batch < 5; batch++) {
        await store.append(append(events.map((event, index) => ({ ...event, id: `evt_${batch}_${index}` }))))
      }
      const head = await store.head()
      const pages = await pagesOf(store, { types: ['never.happened'], limit: 10 })
      assert.equal(pages.flatMap((page) => page.events).length, 0)
      assert.equal(pages.at(-1)?.scanned, head)
      const back = await pagesOf(store, { types: ['never.happened'], limit: 10, backwards: true })
      assert.ok((back.at(-1)?.scanned ?? head) <= 1)
    })

    check('says scanned no further than the last event where the limit cut the page', async ({ store }) => {
      await store.append(append(eventsOf('order-1', 5)))
      const first = await store.readLog({ limit: 2 })
      assert.equal(first.end, false)
      assert.equal(first.scanned, first.events.at(-1)?.position)
      const back = await store.readLog({ limit: 2, backwards: true })
      assert.equal(back.scanned, back.events.at(-1)?.position)
    })

    check('ends a page early where the data is large', async ({ store }) => {
      const data = JSON.stringify('x'.repeat(1024 * 1024))
      for (let index = 0; index < 12; index++) await store.append(append(anEvent({ data })))
      const first = await store.readLog({ limit: 100 })
      assert.ok(
        first.events.length >= 1 && first.events.length < 10,
        `${first.events.length} events of 1 MiB in a page`,
      )
      assert.equal(first.end, false)
      assert.equal((await idsIn(store)).length, 12)
    })

    check('finds a position by time', async ({ store, clock }) => {
      const start = clock.now
      const positions: number[] = []
      for (const at of [0, 10, 10, 20]) {
        clock.now = start + at
        await store.append(append(anEvent()))
        positions.push(await store.head())
      }
      assert.equal(await store.positionAt(start - 1), 0)
      assert.equal(await store.positionAt(start), positions[0])
      assert.equal(await store.positionAt(start + 10), positions[2])
      assert.equal(await store.positionAt(start + 15), positions[2])
      assert.equal(await store.positionAt(start + 99), positions[3])
      assert.equal(await store.oldest(), positions[0])
    })

    check('by id leaves out what it does not know', async ({ store }) => {
      const events = eventsOf('order-1', 3)
      await store.append(append(events))
      const found = await store.byIds([...events.map(({ id }) => id), 'evt_unknown'])
      assert.deepEqual(found.map(({ id }) => id).sort(), events.map(({ id }) => id).sort())
      assert.deepEqual(await store.byIds([]), [])
      const many = Array.from({ length: 2_500 }, (_, index) => `evt_none_${index}`)
      assert.equal((await store.byIds([...many, ...events.map(({ id }) => id)])).length, 3)
    })

    check('hands out documents of its own', async ({ store }) => {
      await store.append(append(eventsOf('order-1', 1)))
      const page = await store.readLog({ limit: 10 })
      const before = structuredClone(page.events)
      try {
        Object.assign(page.events[0] ?? {}, { type: 'mutated' })
        Object.assign(page.events, { length: 0 })
      } catch {
        // frozen, which is as good
      }
      assert.deepEqual((await store.readLog({ limit: 10 })).events, before)
    })
  })

  suite.describe('filters of the log', () => {
    check('by type take patterns', async ({ store }) => {
      const types = [
        'order.created',
        'order.item.added',
        'payment.taken',
        'order',
        'orders.created',
        'hodisa.lease.lost',
      ]
      await store.append(append(types.map((type) => anEvent({ type }))))
      const matching = async (...patterns: string[]) =>
        (await readAll(store, { types: patterns })).map(({ type }) => type)
      assert.deepEqual(await matching('order.created'), ['order.created'])
      assert.deepEqual(await matching('order.*'), ['order.created'])
      assert.deepEqual(await matching('order.**'), ['order.created', 'order.item.added'])
      assert.deepEqual(await matching('*.created'), ['order.created', 'orders.created'])
      assert.deepEqual(await matching('*.*.added'), ['order.item.added'])
      assert.deepEqual(await matching('*'), ['order'])
      assert.deepEqual(await matching('**'), types.slice(0, 5))
      assert.deepEqual(await matching('hodisa.**'), ['hodisa.lease.lost'])
      assert.deepEqual(await matching('payment.*', 'order.created'), ['order.created', 'payment.taken'])
      assert.deepEqual(await matching(), [])
      assert.equal((await readAll(store)).length, 6)
    })

    check('by type see types that were first recorded after an earlier read', async ({ store, another }) => {
      const other = await another()
      await store.append(append(anEvent({ type: 'order.created' })))
      assert.equal((await readAll(other, { types: ['order.*'] })).length, 1)
      await store.append(append(anEvent({ type: 'order.cancelled' })))
      assert.equal((await readAll(other, { types: ['order.*'] })).length, 2)
      assert.equal((await readAll(store, { types: ['order.*'] })).length, 2)
    })

    check('by type refuse what is no pattern', async ({ store }) => {
      await store.append(append(anEvent()))
      await refused('invalid-name', store.readLog({ types: ['order.**.x'], limit: 10 }))
    })

    check('by bucket', async ({ store }) => {
      await store.append(append([anEvent({ bucket: 0 }), anEvent({ bucket: 7 }), anEvent({ bucket: 255 })]))
      const within = async (...buckets: number[]) =>
        (await readAll(store, { buckets: new Set(buckets) })).map(({ bucket }) => bucket)
      assert.deepEqual(await within(0, 255), [0, 255])
      assert.deepEqual(await within(), [])
      assert.deepEqual(await within(...Array.from({ length: 256 }, (_, bucket) => bucket)), [0, 7, 255])
    })

    check('by correlation, cause, streams and key', async ({ store }) => {
      const a = anEvent({ correlationId: 'cor_a', stream: 'order-1' })
      const b = anEvent({ correlationId: 'cor_b', causationId: a.id, key: 'user-1' })
      const c = anEvent({ correlationId: 'cor_b', causationId: b.id, stream: 'order-2' })
      const d = anEvent({ correlationId: 'cor_b' })
      await store.append(append([a, b, c, d]))
      assert.deepEqual(await idsIn(store, { correlationId: 'cor_a' }), [a.id])
      assert.deepEqual(await idsIn(store, { causationId: a.id }), [b.id])
      assert.deepEqual(await idsIn(store, { streams: ['order-1', 'order-2'] }), [a.id, c.id])
      assert.deepEqual(await idsIn(store, { streams: [] }), [])
      assert.deepEqual(await idsIn(store, { key: 'order-2' }), [c.id])
      assert.deepEqual(await idsIn(store, { key: 'user-1' }), [b.id])
      assert.deepEqual(await idsIn(store, { key: d.id }), [d.id])
      assert.deepEqual(await idsIn(store, { key: 'user-2' }), [])
    })

    check('hold all at once, in both directions and in pages', async ({ store }) => {
      const events = Array.from({ length: 60 }, (_, index) =>
        anEvent({
          type: index % 2 ? 'order.created' : 'payment.taken',
          correlationId: `cor_${index % 3}`,
          bucket: index % 5,
        }),
      )
      await store.append(append(events))
      const filter = { types: ['order.**'], correlationId: 'cor_1', buckets: new Set([1, 2]) }
      const expected = events
        .filter(
          (event) => event.type === 'order.created' && event.correlationId === 'cor_1' && [1, 2].includes(event.bucket),
        )
        .map(({ id }) => id)
      assert.ok(expected.length > 1)
      for (const limit of [1, 100]) {
        assert.deepEqual(await idsIn(store, { ...filter, limit }), expected)
        assert.deepEqual(await idsIn(store, { ...filter, limit, backwards: true }), [...expected].reverse())
      }
    })
  })
}

import assert from 'node:assert/strict'
import type { AppendRequest, EventToAppend, InlineTransaction, InlineWork, PlannedEvent } from '../events.ts'
import { dataOf, idsOf, ORDERS, put, withOrders } from './document-values.ts'
import { anEvent, append, eventsOf, expecting, identified } from './events.ts'
import { owning } from './group-values.ts'
import { type Bench, type Conformance, capable, checks, idsIn, refused } from './suite.ts'

/** Writes a document for each stream it sees: how many of its events there were, and their revisions. */
const COUNTING: InlineWork = {
  projections: ['counts'],
  async run(fresh, { documents }) {
    for (const { event, revision } of fresh) {
      const id = event.stream ?? 'none'
      const before = (await documents.get(ORDERS, [id])).get(id)
      await documents.write([put(id, {}, before === undefined ? `${revision}` : `${before} ${revision}`)])
    }
  },
}

function counted(events: EventToAppend | readonly EventToAppend[], inline = COUNTING): AppendRequest {
  return { ...append(events), inline }
}

function working(run: (fresh: readonly PlannedEvent[], tx: InlineTransaction) => Promise<void>): InlineWork {
  return { projections: ['counts'], run }
}

/** Work in the append's own transaction, and the projections that writers must know. */
export function inlineConformance(suite: Conformance): void {
  const registered = checks(suite)
  const check = (behaviour: string, body: (bench: Bench) => Promise<void>) =>
    registered(behaviour, (bench) =>
      capable(bench.store, 'transactions', {
        async yes() {
          await withOrders(bench.store)
          await body(bench)
        },
        async no() {
          await refused('capability-missing', bench.store.append(counted(anEvent())))
        },
      }),
    )

  suite.describe('inline work', () => {
    check('is written with the events, and knows their revisions', async ({ store, another }) => {
      const other = await another()
      const receipt = await store.append(counted(eventsOf('order-1', 2)))
      assert.deepEqual(receipt.streams, [{ stream: 'order-1', revision: 2 }])
      await other.append(counted([anEvent({ stream: 'order-1' }), anEvent()]))
      assert.deepEqual(await dataOf(other, 'order-1', 'none'), ['1 2 3', 'null'])
      assert.equal(await store.streamRevision('order-1'), 3)
    })

    check('gets the timestamp that will be recorded', async ({ store }) => {
      await store.append(append(anEvent({ stream: 'order-1', timestamp: 2_000 })))
      const seen: number[] = []
      const inline = working(async (fresh) => {
        for (const { timestamp } of fresh) seen.push(timestamp)
      })
      await store.append(counted(anEvent({ stream: 'order-1', timestamp: 1_000 }), inline))
      assert.deepEqual(seen, [2_000])
    })

    check('that fails refuses its own append, whole, and no other', async ({ store }) => {
      const failure = new Error('mine')
      const failing = working(async (_, { documents }) => {
        await documents.write([put('half')])
        throw failure
      })
      const given = identified('evt_1', '{}', { stream: 'order-1' })
      const outcomes = await Promise.allSettled([
        store.append(append(anEvent({ stream: 'order-1' }))),
        store.append(counted(anEvent({ stream: 'order-1' }))),
        store.append(counted(given, failing)),
        store.append(counted(anEvent({ stream: 'order-1' }))),
        store.append(append(anEvent({ stream: 'order-1' }))),
      ])
      assert.deepEqual(
        outcomes.map((outcome) =>
          outcome.status === 'rejected' ? outcome.reason : outcome.value.streams[0]?.revision,
        ),
        [1, 2, failure, 3, 4],
      )
      assert.deepEqual(await dataOf(store, 'half', 'order-1'), [undefined, '2 3'])
      assert.equal((await store.append(counted(given))).duplicate, false)
      assert.deepEqual(
        (await store.readStream({ stream: 'order-1', limit: 9 })).map(({ revision }) => revision),
        [1, 2, 3, 4, 5],
      )
    })

    check('that throws before it is asynchronous refuses its append', async ({ store }) => {
      const failing = working(() => {
        throw new Error('mine')
      })
      await assert.rejects(store.append(counted(anEvent(), failing)), /mine/)
      await refused(
        'collection-unknown',
        store.append(
          counted(
            anEvent(),
            working((_, tx) => tx.documents.write([{ ...put('a'), collection: 'other' }])),
          ),
        ),
      )
      assert.equal(await store.head(), 0)
    })

    check('is not begun for an append that is refused', async ({ store }) => {
      let begun = 0
      const inline = working(async () => {
        begun++
      })
      await refused('revision-conflict', store.append({ ...append(anEvent(), [expecting('order-1', 3)]), inline }))
      assert.equal(begun, 0)
    })

    check('gets only what is new, and nothing where nothing is', async ({ store }) => {
      const event = identified('evt_1', '{}', { stream: 'order-1' })
      await store.append(counted(event))
      assert.equal((await store.append(counted(event))).duplicate, true)
      await store.append(counted([event, anEvent({ stream: 'order-1' })]))
      await store.append({ ...append([], [expecting('order-1', 2)]), inline: COUNTING })
      assert.deepEqual(await dataOf(store, 'order-1'), ['1 2'])
    })

    check('can do nothing after its append', async ({ store }) => {
      let kept: InlineTransaction | undefined
      await store.append(
        counted(
          anEvent(),
          working(async (_, tx) => {
            kept = tx
          }),
        ),
      )
      await assert.rejects(Promise.resolve(kept?.documents.write([put('late')])))
      await assert.rejects(Promise.resolve(kept?.documents.get(ORDERS, ['a'])))
      assert.deepEqual(await idsOf(store), [])
    })

    check('of one caller keeps its appends in the order of its calls', async ({ store }) => {
      const events = Array.from({ length: 40 }, () => anEvent({ stream: 'order-1' }))
      await Promise.all(events.map((event, index) => store.append(index % 3 ? append(event) : counted(event))))
      assert.deepEqual(
        await idsIn(store),
        events.map(({ id }) => id),
      )
    })

    check('of writers at the same time loses nothing, and follows the log', async ({ store, another }) => {
      const other = await another()
      await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          (index % 2 ? store : other).append(counted(anEvent({ stream: `order-${index % 3}` }))),
        ),
      )
      const shared = working(async (fresh, { documents }) => {
        const before = (await documents.get(ORDERS, ['all'])).get('all')
        const ids = fresh.map(({ event }) => event.id)
        await documents.write([put('all', {}, [...(before === undefined ? [] : [before]), ...ids].join(' '))])
      })
      const head = await store.head()
      await Promise.all(
        Array.from({ length: 20 }, (_, index) => (index % 2 ? store : other).append(counted(anEvent(), shared))),
      )
      for (const stream of ['order-0', 'order-1', 'order-2']) {
        const revision = await store.streamRevision(stream)
        const expected = Array.from({ length: revision }, (_, index) => index + 1).join(' ')
        assert.deepEqual(await dataOf(store, stream), [expected])
      }
      assert.deepEqual(await dataOf(store, 'all'), [(await idsIn(store, { after: head })).join(' ')])
    })

    check('runs with the appends of a transaction and of progress', async ({ store }) => {
      await store.transaction(async (tx) => {
        await tx.documents.write([put('order-1', {}, '0')])
        tx.append(counted(anEvent({ stream: 'order-1' })))
        tx.append(counted(anEvent({ stream: 'order-1' })))
      })
      await owning(store, { i1: [0] }, 'view')
      const change = { service: 'view', instance: 'i1', fences: [{ bucket: 0, epoch: 1 }] }
      await store.progress(change, { append: counted(anEvent({ stream: 'order-1' })) })
      assert.deepEqual(await dataOf(store, 'order-1'), ['0 1 2 3'])
      const failing = working(() => Promise.reject(new Error('mine')))
      const done = [{ bucket: 0, position: 1 }]
      await assert.rejects(store.progress({ ...change, done }, { append: counted(anEvent(), failing) }), /mine/)
      await assert.rejects(
        store.transaction(async (tx) => {
          await tx.documents.write([put('order-1', {}, '9')])
          tx.append(counted(anEvent({ stream: 'order-1' })))
          tx.append(counted(anEvent({ stream: 'order-1' }), failing))
        }),
        /mine/,
      )
      assert.deepEqual(await dataOf(store, 'order-1'), ['0 1 2 3'])
      assert.deepEqual(await store.groups.done('view', new Set([0])), [])
      assert.equal(await store.streamRevision('order-1'), 3)
    })

    check('has the SQL of the store', async ({ store }) => {
      const inline = working(async (fresh, { sql }) => {
        for (const { event } of fresh) await sql`insert into seen (id) values (${event.id})`
      })
      await capable(store, 'sql', {
        async yes() {
          await store.transaction((tx) => tx.sql`create table seen (id text primary key)`)
          const event = anEvent()
          await store.append(counted(event, inline))
          await assert.rejects(store.append(counted([anEvent(), event], inline)))
          const { result } = await store.transaction((tx) => tx.sql<{ id: string }>`select id from seen`)
          assert.deepEqual(
            result.map(({ id }) => id),
            [event.id],
          )
          assert.deepEqual(await idsIn(store), [event.id])
        },
        async no() {
          await refused('capability-missing', store.append(counted(anEvent(), inline)))
        },
      })
    })
  })

  suite.describe('the inline projections of a store', () => {
    check('refuse a writer that does not know one of them, on every connection', async ({ store, another }) => {
      const other = await another()
      await other.append(append(anEvent()))
      await store.inline({ name: 'counts', types: ['thing.*', 'order.created'] })
      assert.deepEqual(await other.inlines(), [{ name: 'counts', types: ['thing.*', 'order.created'] }])
      for (const each of [store, other]) {
        const error = await refused('inline-missing', each.append(append([anEvent({ type: 'a.b' }), anEvent()])))
        assert.deepEqual([error.details.projection, error.details.type], ['counts', 'thing.happened'])
        const others = { ...COUNTING, projections: ['other'] }
        await refused('inline-missing', each.append(counted(anEvent(), others)))
        await each.append(append(anEvent({ type: 'thing.is.other' })))
        await each.append(counted(anEvent({ stream: 'order-1' })))
      }
      assert.deepEqual(await dataOf(store, 'order-1'), ['1 2'])
      assert.equal((await store.readLog({ limit: 9 })).events.length, 5)
    })

    check('let everybody write again when they are removed', async ({ store, another }) => {
      const other = await another()
      for (const name of ['b', 'a']) await store.inline({ name, types: ['thing.*'] })
      await store.inline({ name: 'a', types: ['order.**'] })
      assert.deepEqual(await other.inlines(), [
        { name: 'a', types: ['order.**'] },
        { name: 'b', types: ['thing.*'] },
      ])
      await refused('inline-missing', other.append(append(anEvent())))
      await store.inline({ name: 'b', types: [] })
      await other.append(append(anEvent()))
      await refused('inline-missing', other.append(append(anEvent({ type: 'order.created' }))))
      await other.inline({ name: 'a', types: [] })
      await store.append(append(anEvent({ type: 'order.created' })))
      assert.deepEqual(await store.inlines(), [])
    })

    check('have patterns that are checked', async ({ store }) => {
      await refused('invalid-name', store.inline({ name: 'counts', types: ['Not a pattern'] }))
      await refused('invalid-name', store.inline({ name: '', types: ['thing.*'] }))
      assert.deepEqual(await store.inlines(), [])
    })

    check('are not asked about what is known already, nor about other types', async ({ store }) => {
      const event = identified('evt_1')
      await store.append(append(event))
      await store.inline({ name: 'counts', types: ['thing.*'] })
      assert.equal((await store.append(append(event))).duplicate, true)
      await store.append(append([], [expecting('order-1', 'none')]))
      await store.append(append(anEvent({ type: 'hodisa.beat' })))
    })

    check('hold in transactions and progress too', async ({ store }) => {
      await store.inline({ name: 'counts', types: ['thing.*'] })
      const without = store.transaction(async (tx) => {
        await tx.documents.write([put('a')])
        tx.append(append(anEvent()))
      })
      await refused('inline-missing', without)
      await owning(store, { i1: [0] }, 'view')
      const change = { service: 'view', instance: 'i1', fences: [{ bucket: 0, epoch: 1 }] }
      await refused('inline-missing', store.progress(change, { append: append(anEvent()), documents: [put('a')] }))
      assert.deepEqual([await idsOf(store), await store.head()], [[], 0])
    })
  })
}

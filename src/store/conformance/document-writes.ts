import assert from 'node:assert/strict'
import { dataOf, idsOf, noDocument, ORDERS, put, removal, withOrders } from './document-values.ts'
import { anEvent, append, eventsOf, expecting, identified } from './events.ts'
import { owning } from './group-values.ts'
import { type Bench, type Conformance, capable, checks, refused } from './suite.ts'

/** Documents that are written with something else, and conditions on them. */
export function documentWritesConformance(suite: Conformance): void {
  const registered = checks(suite)
  const check = (behaviour: string, body: (bench: Bench) => Promise<void>) =>
    registered(behaviour, async (bench) => {
      await withOrders(bench.store)
      await body(bench)
    })
  const working = (behaviour: string, body: (bench: Bench) => Promise<void>) =>
    check(behaviour, (bench) =>
      capable(bench.store, 'transactions', {
        yes: () => body(bench),
        async no() {
          await refused(
            'capability-missing',
            bench.store.transaction((tx) => tx.documents.write([put('a')])),
          )
        },
      }),
    )

  suite.describe('documents in a transaction', () => {
    working('are seen by it at once, and by others when it commits', async ({ store, another }) => {
      const other = await another()
      await store.documents.write([put('a', {}, '1'), put('b', {}, '1')])
      await store.transaction(async (tx) => {
        assert.deepEqual([...(await tx.documents.get(ORDERS, ['a', 'x']))], [['a', '1']])
        await tx.documents.write([put('a', { total: '2' }, '2'), removal('b'), put('c', {}, '2')])
        const inside = await tx.documents.get(ORDERS, ['a', 'b', 'c'])
        assert.deepEqual([...inside].sort(), [
          ['a', '2'],
          ['c', '2'],
        ])
      })
      assert.deepEqual(await dataOf(other, 'a', 'b', 'c'), ['2', undefined, '2'])
      assert.deepEqual(await idsOf(other, { orderBy: { index: 'total' } }), ['a'])
    })

    working('are undone with it', async ({ store }) => {
      await store.documents.write([put('a', {}, '1')])
      const failing = store.transaction(async (tx) => {
        await tx.documents.write([put('a', {}, '2'), put('b', {}, '2')])
        tx.append(append(anEvent()))
        throw new Error('mine')
      })
      await assert.rejects(failing, /mine/)
      const conflicting = store.transaction(async (tx) => {
        await tx.documents.write([removal('a')])
        tx.append(append(anEvent(), [expecting('order-1', 5)]))
      })
      await refused('revision-conflict', conflicting)
      assert.deepEqual(await dataOf(store, 'a', 'b'), ['1', undefined])
      assert.equal(await store.head(), 0)
    })

    working('of a collection that is unknown are refused, and nothing after it is over', async ({ store }) => {
      const { result: kept } = await store.transaction(async (tx) => {
        await refused('collection-unknown', tx.documents.get('other', ['a']))
        await refused('collection-unknown', tx.documents.write([{ ...put('b'), collection: 'other' }]))
        await tx.documents.write([put('a')])
        return tx
      })
      await assert.rejects(kept.documents.write([put('late')]))
      await assert.rejects(kept.documents.get(ORDERS, ['a']))
      assert.deepEqual(await idsOf(store), ['a'])
    })

    working('that are read and written again by many lose no change', async ({ store, another }) => {
      const other = await another()
      await store.documents.write([put('count', {}, '0')])
      const increase = (each: typeof store, id: string) =>
        each.transaction(async (tx) => {
          const found = await tx.documents.get(ORDERS, [id])
          await tx.documents.write([put(id, {}, String(Number(found.get(id) ?? '0') + 1))])
        })
      await Promise.all(
        Array.from({ length: 30 }, async (_, index) => {
          await increase(index % 2 ? store : other, 'count')
          // One that is missing is locked too.
          await increase(index % 2 ? store : other, 'made')
        }),
      )
      assert.deepEqual(await dataOf(store, 'count', 'made'), ['30', '30'])
    })
  })

  suite.describe('documents in an append', () => {
    check('are written with its events, also where it has none', async ({ store, another }) => {
      await store.append({ ...append(anEvent({ stream: 'order-1' })), documents: [put('a', { total: '1' })] })
      await store.append({ ...append([], [expecting('order-1', 1)]), documents: [put('b')] })
      assert.deepEqual(await idsOf(await another()), ['a', 'b'])
    })

    check('are not written for events that are known already', async ({ store }) => {
      const event = identified('evt_1')
      await store.append({ ...append(event), documents: [put('a', {}, '1')] })
      const again = await store.append({ ...append(event), documents: [put('a', {}, '2'), put('b')] })
      assert.equal(again.duplicate, true)
      assert.deepEqual(await dataOf(store, 'a', 'b'), ['1', undefined])
      await store.append({ ...append([event, anEvent()]), documents: [put('a', {}, '3')] })
      assert.deepEqual(await dataOf(store, 'a'), ['3'])
    })

    check('are not written where it is refused, and refuse it where they cannot be', async ({ store }) => {
      const request = append(anEvent({ stream: 'order-1' }), [expecting('order-1', 4)])
      await refused('revision-conflict', store.append({ ...request, documents: [put('a')] }))
      const unknown = { ...append(anEvent()), documents: [put('a'), { ...put('b'), collection: 'other' }] }
      await refused('collection-unknown', store.append(unknown))
      const outcomes = await Promise.allSettled([
        store.append({ ...append(anEvent()), documents: [put('c')] }),
        store.append(unknown),
        store.append({ ...append(anEvent()), documents: [put('d')] }),
      ])
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled'],
      )
      assert.deepEqual(await idsOf(store), ['c', 'd'])
      assert.equal((await store.readLog({ limit: 9 })).events.length, 2)
    })
  })

  suite.describe('a condition that no document stands', () => {
    check('refuses the append where one does, and holds where none does', async ({ store }) => {
      const first = { ...append(anEvent(), [noDocument('cmd_1')]), documents: [put('cmd_1')] }
      await store.append(first)
      const error = await refused('document-exists', store.append(append(anEvent(), [noDocument('cmd_1')])))
      assert.deepEqual([error.details.collection, error.details.id], [ORDERS, 'cmd_1'])
      await store.append(append(anEvent(), [noDocument('cmd_2')]))
      await store.documents.write([removal('cmd_1')])
      await store.append(append(anEvent(), [noDocument('cmd_1')]))
      assert.equal((await store.readLog({ limit: 9 })).events.length, 3)
      const unknown = { ...noDocument('a'), collection: 'other' }
      await refused('collection-unknown', store.append(append(anEvent(), [unknown])))
    })

    check('comes after the revisions, and is not asked of a duplicate', async ({ store }) => {
      await store.documents.write([put('cmd_1')])
      const conflicting = append(anEvent(), [noDocument('cmd_1'), expecting('order-1', 3)])
      await refused('revision-conflict', store.append(conflicting))
      const event = identified('evt_1')
      await store.append(append(event))
      assert.equal((await store.append(append(event, [noDocument('cmd_1')]))).duplicate, true)
    })

    check('lets one of two through that race on a stream', async ({ store, another }) => {
      const other = await another()
      for (let round = 1; round <= 5; round++) {
        const conditions = [expecting(`order-${round}`, 'any'), noDocument(`cmd_${round}`)]
        const outcomes = await Promise.allSettled(
          [store, other, store, other].map((each) =>
            each.append({
              ...append(anEvent({ stream: `order-${round}` }), conditions),
              documents: [put(`cmd_${round}`)],
            }),
          ),
        )
        const lost = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.code] : []))
        assert.deepEqual(lost, ['document-exists', 'document-exists', 'document-exists'])
        assert.equal(await store.streamRevision(`order-${round}`), 1)
      }
    })

    working('sees what its transaction wrote before', async ({ store }) => {
      const twice = store.transaction(async (tx) => {
        tx.append({ ...append(anEvent(), [noDocument('cmd_1')]), documents: [put('cmd_1')] })
        tx.append(append(anEvent(), [noDocument('cmd_1')]))
      })
      await refused('document-exists', twice)
      assert.deepEqual([await idsOf(store), await store.head()], [[], 0])
    })
  })

  suite.describe('documents in progress', () => {
    const BASE = { service: 'view', instance: 'i1', fences: [{ bucket: 0, epoch: 1 }] }

    check('are written with it', async ({ store }) => {
      await owning(store, { i1: [0] }, 'view')
      const done = [{ bucket: 0, position: 1 }]
      assert.equal(await store.progress({ ...BASE, done }, { documents: [put('a', {}, '1')] }), undefined)
      const receipt = await store.progress(BASE, { append: append(anEvent()), documents: [put('b', {}, '1')] })
      assert.equal(receipt?.ids.length, 1)
      assert.deepEqual(await dataOf(store, 'a', 'b'), ['1', '1'])
    })

    check('are not where it is refused', async ({ store }) => {
      await owning(store, { i2: [0] }, 'view')
      await refused('lease-lost', store.progress(BASE, { documents: [put('a')] }))
      const own = { ...BASE, instance: 'i2', done: [{ bucket: 0, position: 1 }] }
      const conflicting = append(eventsOf('order-1', 1), [expecting('order-1', 5)])
      await refused('revision-conflict', store.progress(own, { append: conflicting, documents: [put('a')] }))
      assert.deepEqual(await idsOf(store), [])
      await refused('collection-unknown', store.progress(own, { documents: [{ ...put('b'), collection: 'other' }] }))
      assert.deepEqual(await store.groups.done('view', new Set([0])), [])
    })

    working('go with its work', async ({ store }) => {
      await owning(store, { i1: [0] }, 'view')
      const change = { ...BASE, done: [{ bucket: 0, position: 1 }], once: true }
      const failing = store.progress(change, {
        documents: [put('a')],
        async work(tx) {
          await tx.documents.write([put('b')])
          throw new Error('mine')
        },
      })
      await assert.rejects(failing, /mine/)
      assert.deepEqual(await idsOf(store), [])
      await store.progress(change, { documents: [put('a')], work: (tx) => tx.documents.write([put('b')]) })
      await refused('lease-lost', store.progress(change, { documents: [put('c')] }))
      assert.deepEqual(await idsOf(store), ['a', 'b'])
    })
  })

  suite.describe('documents that expire', () => {
    check('stand until they are removed, with the events', async ({ store, another }) => {
      await store.documents.write([
        { ...put('soon', { total: '1' }), expiresAt: 1_000 },
        { ...put('later'), expiresAt: 2_000 },
        put('kept'),
      ])
      await store.append(append(anEvent({ expiresAt: 1_000 })))
      assert.equal(await store.expire(999), 0)
      assert.equal(await store.expire(1_000), 2)
      assert.deepEqual(await idsOf(await another()), ['kept', 'later'])
      await store.documents.write([put('later')])
      assert.equal(await store.expire(5_000), 0)
      assert.deepEqual(await idsOf(store), ['kept', 'later'])
    })

    check('are all removed, however many there are', async ({ store }) => {
      await store.documents.define({ name: 'other', indexes: [] })
      const many = Array.from({ length: 2_500 }, (_, index) => ({ ...put(`id${index}`), expiresAt: index % 2 }))
      await store.documents.write(many)
      await store.documents.write(many.map((write) => ({ ...write, collection: 'other', keys: {} })))
      assert.equal(await store.expire(0), 2_500)
      assert.equal(await store.expire(1), 2_500)
      assert.deepEqual([await store.documents.count(ORDERS), await store.documents.count('other')], [0, 0])
    })
  })
}

import assert from 'node:assert/strict'
import type { KeyCondition } from '../documents.ts'
import { idsOf, inPages, ORDERS, put, withOrders } from './document-values.ts'
import { type Bench, type Conformance, checks, refused } from './suite.ts'

/** Finding documents by their keys. */
export function documentSearchConformance(suite: Conformance): void {
  const registered = checks(suite)
  const check = (behaviour: string, body: (bench: Bench) => Promise<void>) =>
    registered(behaviour, async (bench) => {
      await withOrders(bench.store)
      await body(bench)
    })

  suite.describe('finding documents', () => {
    check('compares with a key in every way', async ({ store }) => {
      await store.documents.write(['a', 'ab', 'abc', 'b', 'c'].map((key) => put(`id-${key}`, { user: key })))
      await store.documents.write([put('without')])
      const found: readonly (readonly [Omit<Extract<KeyCondition, { key: string }>, 'index'>, ...string[]])[] = [
        [{ is: 'eq', key: 'ab' }, 'ab'],
        [{ is: 'eq', key: 'x' }],
        [{ is: 'gt', key: 'ab' }, 'abc', 'b', 'c'],
        [{ is: 'gte', key: 'ab' }, 'ab', 'abc', 'b', 'c'],
        [{ is: 'lt', key: 'ab' }, 'a'],
        [{ is: 'lte', key: 'ab' }, 'a', 'ab'],
        [{ is: 'prefix', key: 'ab' }, 'ab', 'abc'],
        [{ is: 'prefix', key: 'a' }, 'a', 'ab', 'abc'],
        [{ is: 'prefix', key: '' }, 'a', 'ab', 'abc', 'b', 'c'],
      ]
      for (const [condition, ...keys] of found) {
        const where = [{ index: 'user', ...condition }]
        assert.deepEqual(
          await idsOf(store, { where }),
          keys.map((key) => `id-${key}`),
          JSON.stringify(condition),
        )
        assert.equal(await store.documents.count(ORDERS, where), keys.length)
      }
      for (const [keys, expected] of [
        [
          ['c', 'a', 'x', 'a'],
          ['id-a', 'id-c'],
        ],
        [[], []],
      ] as const) {
        assert.deepEqual(await idsOf(store, { where: [{ index: 'user', is: 'in', keys }] }), expected)
      }
    })

    check('takes conditions together', async ({ store }) => {
      await store.documents.write([
        put('1', { user: 'a', total: '1' }),
        put('2', { user: 'a', total: '5' }),
        put('3', { user: 'a', total: '9' }),
        put('4', { user: 'b', total: '5' }),
        put('5', { user: 'a' }),
      ])
      const between = [
        { index: 'total', is: 'gt', key: '1' },
        { index: 'total', is: 'lte', key: '9' },
      ] as const
      const own = { index: 'user', is: 'eq', key: 'a' } as const
      assert.deepEqual(await idsOf(store, { where: [own, ...between] }), ['2', '3'])
      assert.deepEqual(await idsOf(store, { where: between, orderBy: { index: 'user', descending: true } }), [
        '4',
        '3',
        '2',
      ])
      assert.equal(await store.documents.count(ORDERS, [own, ...between]), 2)
    })

    check('orders by a key and then by id, or by id alone, both ways', async ({ store }) => {
      await store.documents.write([
        put('c', { total: '1' }),
        put('a', { total: '2' }),
        put('d', { total: '1' }),
        put('b', { total: '3' }),
        put('e'),
      ])
      assert.deepEqual(await idsOf(store), ['a', 'b', 'c', 'd', 'e'])
      assert.deepEqual(await idsOf(store, { orderBy: { descending: true } }), ['e', 'd', 'c', 'b', 'a'])
      assert.deepEqual(await idsOf(store, { orderBy: { index: 'total' } }), ['c', 'd', 'a', 'b'])
      assert.deepEqual(await idsOf(store, { orderBy: { index: 'total', descending: true } }), ['b', 'a', 'd', 'c'])
      assert.deepEqual(await idsOf(store, { orderBy: { index: 'total' }, limit: 2 }), ['c', 'd'])
      assert.deepEqual(await idsOf(store, { limit: 0 }), [])
    })

    check('gives in pages what it gives at once', async ({ store }) => {
      const documents = Array.from({ length: 60 }, (_, index) => {
        const keys = { ...(index % 5 > 0 && { total: `${index % 4}` }), user: `user-${index % 3}` }
        return put(`id-${(index * 37) % 60}`, keys)
      })
      await store.documents.write(documents)
      const wheres: readonly (readonly KeyCondition[])[] = [
        [],
        [{ index: 'total', is: 'gte', key: '1' }],
        [{ index: 'user', is: 'in', keys: ['user-0', 'user-2'] }],
      ]
      for (const descending of [false, true]) {
        for (const where of wheres) {
          for (const limit of [1, 7]) {
            await inPages(store, { where, orderBy: { descending } }, limit)
            await inPages(store, { where, orderBy: { index: 'total', descending } }, limit)
            await inPages(store, { where, orderBy: { index: 'user', descending } }, limit)
          }
        }
      }
    })

    check('goes on behind a place whose document is gone', async ({ store }) => {
      await store.documents.write([put('a', { total: '1' }), put('b', { total: '1' }), put('c', { total: '2' })])
      const after = { key: '1', id: 'aa' }
      assert.deepEqual(await idsOf(store, { orderBy: { index: 'total' }, after }), ['b', 'c'])
      assert.deepEqual(await idsOf(store, { orderBy: { index: 'total', descending: true }, after }), ['a'])
      assert.deepEqual(await idsOf(store, { after: { id: 'aa' } }), ['b', 'c'])
    })

    check('orders keys and ids by their UTF-8 bytes', async ({ store }) => {
      // By UTF-16 units the one above U+FFFF would come before the two behind it; by language, the capital one elsewhere.
      const rising = ['', ' ', 'B', 'a', 'b', 'é', 'я', '日', '\ue000', '\uffff', '𐀀', '👩']
      await store.documents.write(rising.toReversed().map((text) => put(`${text}.`, { user: text })))
      const ids = rising.map((text) => `${text}.`)
      const byId = ids.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
      assert.deepEqual(await idsOf(store, { orderBy: { index: 'user' } }), ids)
      assert.deepEqual(await idsOf(store, { orderBy: { index: 'user', descending: true } }), ids.toReversed())
      assert.deepEqual(await idsOf(store), byId)
      const above = [{ index: 'user', is: 'gt', key: '\uffff' }] as const
      assert.deepEqual(await idsOf(store, { where: above, orderBy: { index: 'user' } }), ['𐀀.', '👩.'])
      const beginning = [{ index: 'user', is: 'prefix', key: '\uffff' }] as const
      assert.deepEqual(await idsOf(store, { where: beginning }), ['\uffff.'])
    })

    check('by what is no index of the collection is refused', async ({ store }) => {
      const condition = { index: 'nosuch', is: 'eq', key: '1' } as const
      for (const call of [
        () => store.documents.find(ORDERS, { where: [condition], limit: 1 }),
        () => store.documents.find(ORDERS, { orderBy: { index: 'data' }, limit: 1 }),
        () => store.documents.count(ORDERS, [condition]),
        () => store.documents.find(ORDERS, { orderBy: { index: 'total' }, after: { id: 'a' }, limit: 1 }),
      ]) {
        await refused('invalid-option', call())
      }
    })
  })
}

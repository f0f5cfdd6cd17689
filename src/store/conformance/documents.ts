import assert from 'node:assert/strict'
import { dataOf, idsOf, ORDERS, put, removal, withOrders } from './document-values.ts'
import { type Conformance, checks, refused } from './suite.ts'

/** Collections, and writing and reading documents by id. */
export function documentsConformance(suite: Conformance): void {
  const check = checks(suite)

  suite.describe('a collection', () => {
    check('is there once it is defined, on every connection, however often', async ({ store, another }) => {
      const other = await another()
      assert.deepEqual(await store.documents.list(), [])
      for (const each of [store, other, store]) await withOrders(each)
      await other.documents.define({ name: 'outcomes', indexes: [] })
      const expected = [
        { name: 'outcomes', indexes: [] },
        { name: ORDERS, indexes: ['total', 'user'] },
      ]
      for (const each of [store, other]) assert.deepEqual(await each.documents.list(), expected)
    })

    check('may be defined by several at the same time', async ({ store, another }) => {
      const other = await another()
      await Promise.all(
        [store, other, store, other].map((each, index) =>
          each.documents.define({ name: ORDERS, indexes: ['total', `own${index}`] }),
        ),
      )
      const [collection] = await store.documents.list()
      assert.deepEqual(collection?.indexes.toSorted(), ['own0', 'own1', 'own2', 'own3', 'total'])
      await other.documents.write([put('a', { own3: 'x' })])
      assert.deepEqual(await idsOf(store, { where: [{ index: 'own3', is: 'eq', key: 'x' }] }), ['a'])
    })

    check(
      'keeps its documents when it gets an index, which finds what is written from then on',
      async ({ store, another }) => {
        const other = await another()
        await withOrders(store)
        await store.documents.write([put('a', { total: '1' }), put('b', { total: '2' })])
        assert.deepEqual(await dataOf(other, 'a'), ['{"id":"a"}'])
        await store.documents.define({ name: ORDERS, indexes: ['status'] })
        await other.documents.write([put('b', { total: '2', status: 'open' })])
        assert.deepEqual(await idsOf(store, { where: [{ index: 'status', is: 'eq', key: 'open' }] }), ['b'])
        assert.deepEqual(await idsOf(store, { orderBy: { index: 'total' } }), ['a', 'b'])
        const [, found] = await store.documents.find(ORDERS, { limit: 2 })
        assert.deepEqual(found?.keys, { total: '2', status: 'open' })
      },
    )

    check('that is dropped is gone with its documents, and can be made anew', async ({ store, another }) => {
      const other = await another()
      await withOrders(store)
      await other.documents.write([put('a', { total: '1' })])
      await store.documents.drop(ORDERS)
      await store.documents.drop(ORDERS)
      for (const each of [store, other]) {
        await refused('collection-unknown', each.documents.get(ORDERS, ['a']))
        await refused('collection-unknown', each.documents.write([put('a')]))
      }
      await other.documents.define({ name: ORDERS, indexes: ['user'] })
      assert.deepEqual(await idsOf(store), [])
      await store.documents.write([put('b', { user: 'x' })])
      assert.deepEqual(await idsOf(other), ['b'])
    })

    check('that was never defined is refused by name', async ({ store }) => {
      for (const call of [
        () => store.documents.get(ORDERS, []),
        () => store.documents.find(ORDERS, { limit: 1 }),
        () => store.documents.count(ORDERS),
        () => store.documents.write([put('a')]),
      ]) {
        const error = await refused('collection-unknown', call())
        assert.equal(error.details.collection, ORDERS)
      }
    })

    check('has a name of lower-case letters, digits, dots, hyphens and underscores', async ({ store }) => {
      await store.documents.define({ name: 'a_b-c.9', indexes: [] })
      await store.documents.define({ name: 'x'.repeat(200), indexes: [] })
      for (const name of ['', 'Orders', 'a b', 'a;b', 'a"b', 'é', 'x'.repeat(201)]) {
        await refused('invalid-name', store.documents.define({ name, indexes: [] }))
      }
      for (const indexes of [['a', 'a'], [''], Array.from({ length: 65 }, (_, index) => `index${index}`)]) {
        await refused('invalid-name', store.documents.define({ name: 'orders', indexes }))
      }
      assert.equal((await store.documents.list()).length, 2)
    })

    check('has indexes of any name', async ({ store }) => {
      const indexes = ['userId', 'user.id', 'constructor', "it's", '"x"; drop table x', '?', 'id', 'data', '日', ' ']
      await store.documents.define({ name: ORDERS, indexes })
      await store.documents.write([put('none'), put('all', Object.fromEntries(indexes.map((index) => [index, index])))])
      for (const index of indexes) {
        assert.deepEqual(await idsOf(store, { orderBy: { index } }), ['all'])
        assert.deepEqual(await idsOf(store, { where: [{ index, is: 'eq', key: index }] }), ['all'])
      }
    })
  })

  suite.describe('documents', () => {
    check('are written, replaced and removed, and read by every connection at once', async ({ store, another }) => {
      const other = await another()
      await withOrders(store)
      await store.documents.write([put('a'), put('b', { total: '5' }), put('c')])
      assert.deepEqual(await dataOf(other, 'a', 'b', 'c'), ['{"id":"a"}', '{"id":"b"}', '{"id":"c"}'])
      await other.documents.write([put('a', {}, '{"n":2}'), removal('b'), removal('never')])
      assert.deepEqual(await dataOf(store, 'a', 'b', 'c'), ['{"n":2}', undefined, '{"id":"c"}'])
      assert.equal(await store.documents.count(ORDERS), 2)
    })

    check('are got by those ids that exist', async ({ store }) => {
      await withOrders(store)
      await store.documents.write([put('a'), put('b')])
      const found = await store.documents.get(ORDERS, ['b', 'x', 'b'])
      assert.deepEqual([...found], [['b', '{"id":"b"}']])
      assert.equal((await store.documents.get(ORDERS, [])).size, 0)
    })

    check('take the last of several writes to one id', async ({ store }) => {
      await withOrders(store)
      await store.documents.write([put('a', { total: '1' }), removal('a'), put('a', { user: 'x' }, '2')])
      await store.documents.write([put('b'), put('b', {}, '3'), removal('b')])
      assert.deepEqual(await store.documents.find(ORDERS, { limit: 9 }), [{ id: 'a', data: '2', keys: { user: 'x' } }])
    })

    check('lose the keys that a replacement leaves out', async ({ store }) => {
      await withOrders(store)
      await store.documents.write([put('a', { total: '1', user: 'x' })])
      await store.documents.write([put('a', { user: 'y' })])
      assert.deepEqual(await idsOf(store, { orderBy: { index: 'total' } }), [])
      assert.deepEqual(await idsOf(store, { where: [{ index: 'user', is: 'eq', key: 'x' }] }), [])
      assert.deepEqual(await idsOf(store, { where: [{ index: 'user', is: 'eq', key: 'y' }] }), ['a'])
    })

    check('of one write are written all or none', async ({ store }) => {
      await withOrders(store)
      await store.documents.write([])
      await refused('collection-unknown', store.documents.write([put('a'), { ...put('b'), collection: 'other' }]))
      await refused('invalid-option', store.documents.write([put('a'), put('b', { nosuch: '1' })]))
      assert.deepEqual(await idsOf(store), [])
    })

    check(
      'of several writes at the same time are all there, and a refused one fails alone',
      async ({ store, another }) => {
        const other = await another()
        await withOrders(store)
        const writes = Array.from({ length: 40 }, (_, index) =>
          (index % 2 ? store : other).documents.write([put(`id${index}`), put('shared', {}, `${index}`)]),
        )
        const wrong = store.documents.write([put('x'), { ...put('y'), collection: 'other' }])
        await refused('collection-unknown', wrong)
        await Promise.all(writes)
        assert.equal(await store.documents.count(ORDERS), 41)
      },
    )

    check('of one caller are written in the order of its calls', async ({ store }) => {
      await withOrders(store)
      await Promise.all(Array.from({ length: 20 }, (_, n) => store.documents.write([put('a', {}, `${n}`)])))
      assert.deepEqual(await dataOf(store, 'a'), ['19'])
    })

    check('are written some thousand at a time', async ({ store }) => {
      await withOrders(store)
      const many = (data: string) =>
        Array.from({ length: 3_000 }, (_, index) => put(`id${index}`, { total: `${index % 7}` }, data))
      await store.documents.write(many('1'))
      await store.documents.write(many('2'))
      assert.equal(await store.documents.count(ORDERS), 3_000)
      const ids = Array.from({ length: 3_000 }, (_, index) => `id${index}`)
      const found = await store.documents.get(ORDERS, ids)
      assert.equal(found.size, 3_000)
      assert.ok([...found.values()].every((data) => data === '2'))
    })

    check('keep ids, keys and data as they are, whatever the language', async ({ store, another }) => {
      await withOrders(store)
      const texts = [
        'o‘zbekiston',
        'ёлка',
        '日本',
        '👩‍👩‍👧',
        '𐀀',
        '\uffff',
        "it's",
        '"',
        '\\',
        '%_',
        ' ',
        '\u0001',
        'ﬁ',
        'e\u0301',
      ]
      await store.documents.write(texts.map((text) => put(text, { user: text }, JSON.stringify(text))))
      const other = await another()
      assert.deepEqual(
        await dataOf(other, ...texts),
        texts.map((text) => JSON.stringify(text)),
      )
      for (const text of texts) {
        const found = await other.documents.find(ORDERS, { where: [{ index: 'user', is: 'eq', key: text }], limit: 9 })
        assert.deepEqual(found, [{ id: text, data: JSON.stringify(text), keys: { user: text } }])
      }
    })

    check('may be large', async ({ store }) => {
      await withOrders(store)
      const data = JSON.stringify('x'.repeat(1_000_000))
      await store.documents.write([put('large', {}, data)])
      assert.deepEqual(await dataOf(store, 'large'), [data])
    })
  })
}

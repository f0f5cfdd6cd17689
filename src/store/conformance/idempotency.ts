import assert from 'node:assert/strict'
import { anEvent, append, eventsOf, expecting, identified } from './events.ts'
import { type Conformance, checks, idsIn, refused } from './suite.ts'

/** An id the caller gave is recorded once. */
export function idempotencyConformance(suite: Conformance): void {
  const check = checks(suite)

  suite.describe('the same id again', () => {
    check('returns the first receipt and writes nothing', async ({ store, another }) => {
      const request = append(identified('evt_1', '{"a":1}', { stream: 'order-1' }))
      const first = await store.append(request)
      await store.append(append(eventsOf('order-1', 1)))
      const head = await store.head()
      for (const each of [store, await another()]) {
        const again = await each.append(request)
        assert.deepEqual(again, { ...first, duplicate: true })
        assert.deepEqual(await store.resolve(again.token), await store.resolve(first.token))
      }
      assert.equal(await store.head(), head)
    })

    check('is checked before revisions', async ({ store }) => {
      const request = append(identified('evt_1', '{}', { stream: 'order-1' }), [expecting('order-1', 0)])
      await store.append(request)
      assert.equal((await store.append(request)).duplicate, true)
    })

    check('with other content is refused, and names the id', async ({ store }) => {
      await store.append(append(identified('evt_1', '{"a":1}')))
      const call = store.append(append([anEvent(), identified('evt_1', '{"a":2}')]))
      const error = await refused('id-reused', call)
      assert.equal(error.details.id, 'evt_1')
      assert.equal((await idsIn(store)).length, 1)
    })

    check('with another schema version is the same event whatever its content', async ({ store }) => {
      await store.append(append(identified('evt_1', '{"name":"a"}')))
      const again = await store.append(append(identified('evt_1', '{"first":"a"}', { version: 2 })))
      assert.equal(again.duplicate, true)
    })

    check('with other content keeps the first where the request says so', async ({ store }) => {
      const first = await store.append(append(identified('evt_1', '{"a":1}')))
      const second = await store.append(append(identified('evt_1', '{"a":2}'), [], 'keep-first'))
      assert.deepEqual(second, { ...first, duplicate: true })
      assert.deepEqual(
        (await store.byIds(['evt_1'])).map(({ data }) => data),
        ['{"a":1}'],
      )
    })

    check('of part of a batch records the rest only', async ({ store }) => {
      const [one, two, three] = ['1', '2', '3'].map((n) => identified(`evt_${n}`, `{"n":${n}}`, { stream: 'order-1' }))
      assert.ok(one && two && three)
      await store.append(append([one, two]))
      const receipt = await store.append(append([one, two, three]))
      assert.deepEqual(receipt.ids, ['evt_1', 'evt_2', 'evt_3'])
      assert.equal(receipt.duplicate, false)
      assert.deepEqual(receipt.streams, [{ stream: 'order-1', revision: 3 }])
      assert.deepEqual(await idsIn(store), ['evt_1', 'evt_2', 'evt_3'])
      assert.equal((await store.resolve(receipt.token))?.length, 3)
    })

    check('of part of a batch on a numeric revision is a partial duplicate', async ({ store }) => {
      const [one, two] = ['1', '2'].map((n) => identified(`evt_${n}`, '{}', { stream: 'order-1' }))
      assert.ok(one && two)
      await store.append(append(one))
      await refused('partial-duplicate', store.append(append([one, two], [expecting('order-1', 1)])))
      assert.equal(await store.streamRevision('order-1'), 1)
      await store.append(append([one, two], [expecting('order-1', 'exists')]))
      assert.equal(await store.streamRevision('order-1'), 2)
    })

    check('twice in one batch is recorded once', async ({ store }) => {
      const event = identified('evt_1')
      const receipt = await store.append(append([event, event]))
      assert.deepEqual([receipt.ids, receipt.duplicate], [['evt_1', 'evt_1'], false])
      assert.deepEqual(await idsIn(store), ['evt_1'])
      await refused('id-reused', store.append(append([identified('evt_2', '1'), identified('evt_2', '2')])))
      assert.deepEqual(await idsIn(store), ['evt_1'])
    })

    check('from several writers at once is recorded once', async ({ store, another }) => {
      const other = await another()
      const request = append(identified('evt_1', '{}', { stream: 'order-1' }))
      const receipts = await Promise.all(
        Array.from({ length: 20 }, (_, index) => (index % 2 ? store : other).append(request)),
      )
      assert.equal(receipts.filter(({ duplicate }) => !duplicate).length, 1)
      assert.equal(new Set(receipts.map(({ token }) => token)).size, 1)
      assert.deepEqual(await idsIn(store), ['evt_1'])
    })

    check('that was refused the first time is free', async ({ store }) => {
      const event = identified('evt_1', '{}', { stream: 'order-1' })
      await refused('revision-conflict', store.append(append(event, [expecting('order-1', 'exists')])))
      assert.equal((await store.append(append(event))).duplicate, false)
    })
  })
}

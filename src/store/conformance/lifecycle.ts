import assert from 'node:assert/strict'
import { anEvent, append, eventsOf, identified } from './events.ts'
import { type Conformance, checks, idsIn, pagesOf, refused } from './suite.ts'

/** Expiry, and the end of a connection. */
export function lifecycleConformance(suite: Conformance): void {
  const check = checks(suite)

  suite.describe('expiry', () => {
    check('removes what is over, and nothing else', async ({ store, another }) => {
      const [kept, soon, later] = [anEvent(), anEvent({ expiresAt: 1_000 }), anEvent({ expiresAt: 2_000 })]
      await store.append(append([soon, kept, later]))
      const oldest = await store.oldest()
      assert.equal(await store.expire(999), 0)
      assert.equal(await store.expire(1_000), 1)
      assert.deepEqual(await idsIn(await another()), [kept.id, later.id])
      assert.ok((await store.oldest()) > oldest)
      assert.equal(await store.expire(5_000), 1)
      assert.equal(await store.expire(5_000), 0)
      assert.deepEqual(await idsIn(store), [kept.id])
      assert.deepEqual(await store.byIds([soon.id]), [])
    })

    check('never gives a position again, and pages go over the gaps', async ({ store }) => {
      for (let index = 0; index < 20; index++) await store.append(append(anEvent({ expiresAt: index % 2 ? 1 : 3 })))
      const head = await store.head()
      await store.expire(1)
      for (const limit of [1, 3, 100]) {
        const pages = await pagesOf(store, { limit })
        assert.equal(pages.flatMap(({ events }) => events).length, 10)
      }
      await store.expire(3)
      assert.deepEqual(await idsIn(store), [])
      await store.append(append(anEvent()))
      assert.equal(await store.head(), head + 1)
    })

    check('keeps revisions and given ids taken', async ({ store }) => {
      const event = identified('evt_1', '{}', { stream: 'order-1', expiresAt: 1 })
      const first = await store.append(append(event))
      await store.expire(1)
      assert.equal((await store.append(append(event))).duplicate, true)
      const receipt = await store.append(append(eventsOf('order-1', 1)))
      assert.equal(receipt.streams[0]?.revision, 2)
      assert.deepEqual(
        (await store.readStream({ stream: 'order-1', limit: 10 })).map(({ revision }) => revision),
        [2],
      )
      assert.deepEqual(await store.resolve(first.token), [])
    })
  })

  suite.describe('closing', () => {
    check('finishes what was accepted', async ({ store, another }) => {
      const other = await another()
      const writes = Array.from({ length: 30 }, () => store.append(append(anEvent())))
      await store.close()
      assert.equal((await idsIn(other)).length, 30)
      const outcomes = await Promise.allSettled(writes)
      assert.ok(outcomes.every(({ status }) => status === 'fulfilled'))
    })

    check('twice, and at the same time, is safe', async ({ store }) => {
      await store.append(append(anEvent()))
      await Promise.all([store.close(), store.close()])
      await store.close()
    })

    check('ends one connection, not the others', async ({ store, another }) => {
      const other = await another()
      let heard = 0
      store.watch(() => heard++)
      await store.close()
      await other.append(append(anEvent()))
      assert.equal(await other.head(), 1)
      assert.equal(heard, 0)
    })

    check('refuses what comes after', async ({ store }) => {
      await store.close()
      await refused('store-unavailable', store.append(append(anEvent())))
      await refused('store-unavailable', store.readLog({ limit: 1 }))
      await refused('store-unavailable', store.streamRevision('order-1'))
      await refused('store-unavailable', store.groups.read('email'))
      await refused('store-unavailable', store.presence.beat('a'))
      await refused('store-unavailable', store.documents.get('view', ['a']))
      await refused('store-unavailable', store.documents.write([]))
      await refused(
        'store-unavailable',
        store.transaction(async () => undefined),
      )
    })

    check('loses nothing: a new connection reads it all', async ({ store, another }) => {
      await store.append(append(eventsOf('order-1', 3)))
      await store.groups.update('email', 0, { paused: 'by hand' })
      await store.documents.define({ name: 'view', indexes: [] })
      await store.documents.write([{ collection: 'view', id: 'a', data: '1' }])
      await store.inline({ name: 'counts', types: ['thing.*'] })
      await store.close()
      const again = await another()
      assert.equal(await again.streamRevision('order-1'), 3)
      assert.equal((await again.groups.read('email')).paused, 'by hand')
      assert.equal((await again.documents.get('view', ['a'])).get('a'), '1')
      assert.equal((await again.inlines()).length, 1)
    })
  })
}

import assert from 'node:assert/strict'
import { append, eventsOf } from './events.ts'
import { type Conformance, checks } from './suite.ts'

/** Reading one stream. */
export function streamsConformance(suite: Conformance): void {
  const check = checks(suite)

  suite.describe('reading a stream', () => {
    check('that never was is empty and at revision 0', async ({ store }) => {
      assert.deepEqual(await store.readStream({ stream: 'order-0', limit: 10 }), [])
      assert.equal(await store.streamRevision('order-0'), 0)
    })

    check('takes from, to, limit and backwards', async ({ store }) => {
      await store.append(append([...eventsOf('order-1', 5), ...eventsOf('order-2', 3), ...eventsOf('order-1', 5)]))
      const read = async (query: { from?: number; to?: number; backwards?: boolean; limit?: number }) =>
        (await store.readStream({ stream: 'order-1', limit: 100, ...query })).map(({ revision }) => revision)
      assert.deepEqual(await read({}), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      assert.deepEqual(await read({ from: 4, to: 6 }), [4, 5, 6])
      assert.deepEqual(await read({ limit: 3 }), [1, 2, 3])
      assert.deepEqual(await read({ from: 9 }), [9, 10])
      assert.deepEqual(await read({ to: 2 }), [1, 2])
      assert.deepEqual(await read({ backwards: true, limit: 3 }), [10, 9, 8])
      assert.deepEqual(await read({ backwards: true, from: 2, to: 5, limit: 2 }), [5, 4])
      assert.deepEqual(await read({ backwards: true, from: 2, to: 3 }), [3, 2])
      assert.deepEqual(await read({ from: 11 }), [])
      assert.deepEqual(await read({ from: 6, to: 5 }), [])
      assert.deepEqual(await read({ from: 11, backwards: true }), [])
    })

    check('one event at a time equals all at once', async ({ store }) => {
      await store.append(append(eventsOf('order-1', 7)))
      const all = await store.readStream({ stream: 'order-1', limit: 100 })
      const single = []
      for (let from = 1; from <= 7; from++)
        single.push(...(await store.readStream({ stream: 'order-1', from, limit: 1 })))
      assert.deepEqual(single, all)
      assert.deepEqual(await store.readStream({ stream: 'order-1', limit: 100, backwards: true }), [...all].reverse())
    })

    check('at a time ends with what was recorded until then', async ({ store, clock }) => {
      const start = clock.now
      for (const at of [0, 10, 20]) {
        clock.now = start + at
        await store.append(append(eventsOf('order-1', 2)))
      }
      const at = async (time: number, backwards = false) =>
        (await store.readStream({ stream: 'order-1', recordedUntil: start + time, limit: 100, backwards })).map(
          ({ revision }) => revision,
        )
      assert.deepEqual(await at(-1), [])
      assert.deepEqual(await at(0), [1, 2])
      assert.deepEqual(await at(10), [1, 2, 3, 4])
      assert.deepEqual(await at(19), [1, 2, 3, 4])
      assert.deepEqual(await at(19, true), [4, 3, 2, 1])
      assert.deepEqual(await at(1_000), [1, 2, 3, 4, 5, 6])
    })

    check('keeps names apart that differ in case, accent or ending', async ({ store }) => {
      const names = ['order-a', 'order-A', 'order-á', 'order-a ', 'order-a%', 'order-a_', "order-a'"]
      for (const name of names) await store.append(append(eventsOf(name, 1)))
      for (const name of names) {
        assert.equal(await store.streamRevision(name), 1)
        assert.equal((await store.readStream({ stream: name, limit: 10 })).length, 1)
      }
    })
  })
}

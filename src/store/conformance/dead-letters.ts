import assert from 'node:assert/strict'
import type { Cursor, Progress, StoredDeadLetter } from '../groups.ts'
import type { Store } from '../port.ts'
import { cursorOf, letterOf, owning } from './group-values.ts'
import { type Conformance, checks } from './suite.ts'

const BASE = { service: 'email', instance: 'i1', fences: [{ bucket: 0, epoch: 1 }] } satisfies Progress

async function put(store: Store, letters: readonly StoredDeadLetter[], cursors: readonly Cursor[] = []) {
  await store.progress({
    ...BASE,
    fences: [],
    deadLetters: letters.map((letter) => ({ put: letter })),
    cursors: cursors.map((cursor) => ({ put: cursor })),
  })
}

/** Cursors of failing keys, and the dead letters they are parked as. */
export function deadLettersConformance(suite: Conformance): void {
  const check = checks(suite)

  suite.describe('cursors', () => {
    check('are one row a key, replaced and removed by it', async ({ store, another }) => {
      await owning(store, { i1: [0] })
      const error = { name: 'TypeError', message: 'x \ud83d\ude00 "y"', code: 'E1', stack: 'at a\n at b' }
      const finished = { patterns: [{ pattern: 'order.*', until: 9 }], positions: [7, 8] }
      const first = cursorOf('order-1', 5, { error, finished })
      await store.progress({ ...BASE, cursors: [{ put: first }, { put: cursorOf('order-2', 6, { bucket: 9 }) }] })
      const other = await another()
      assert.deepEqual(await other.groups.cursors('email', new Set([0])), [first])
      const next = cursorOf('order-1', 8, { attempts: 3, state: 'waiting' })
      await store.progress({ ...BASE, cursors: [{ put: next }, { remove: 'order-2' }, { remove: 'order-unknown' }] })
      assert.deepEqual(await other.groups.cursors('email'), [next])
      assert.deepEqual(await other.groups.cursors('email', new Set([1])), [])
      assert.deepEqual(await other.groups.cursors('emails'), [])
    })

    check('are counted by state', async ({ store }) => {
      await owning(store, { i1: [0] })
      const cursors = [
        cursorOf('a', 1),
        cursorOf('b', 2),
        cursorOf('c', 3, { state: 'parked' }),
        cursorOf('d', 4, { state: 'waiting' }),
      ]
      await put(store, [], cursors)
      assert.deepEqual((await store.groups.progress('email')).cursors, { retrying: 2, parked: 1, waiting: 1 })
    })
  })

  suite.describe('dead letters', () => {
    check('come back as they were written, by id and by list', async ({ store, another }) => {
      await owning(store, { i1: [0] })
      const letter = letterOf('dl_1', 5, { edited: '{"fixed":true}', error: { name: 'E', message: 'm', stack: 's' } })
      await put(store, [letter])
      const other = await another()
      assert.deepEqual(await other.deadLetters.get('dl_1'), letter)
      assert.equal(await other.deadLetters.get('dl_2'), undefined)
      await put(store, [{ ...letter, attempts: 9 }])
      assert.deepEqual(await other.deadLetters.list({ limit: 10 }), [{ ...letter, attempts: 9 }])
      await store.progress({ ...BASE, deadLetters: [{ remove: 'dl_1' }, { remove: 'dl_unknown' }] })
      assert.deepEqual(await other.deadLetters.list({ limit: 10 }), [])
    })

    check('are listed by filter, in the order of their ids, page by page', async ({ store }) => {
      await owning(store, { i1: [0] })
      const letters = ['dl_c', 'dl_a', 'dl_d', 'dl_b'].map((id, index) =>
        letterOf(id, index + 1, {
          key: `order-${index % 2}`,
          type: index === 3 ? 'order.paid' : 'order.created',
          state: index === 2 ? 'skipped' : 'parked',
          service: index === 0 ? 'sms' : 'email',
        }),
      )
      await put(store, letters)
      const listed = async (query: Partial<Parameters<Store['deadLetters']['list']>[0]>) =>
        (await store.deadLetters.list({ limit: 10, ...query })).map(({ id }) => id)
      assert.deepEqual(await listed({}), ['dl_a', 'dl_b', 'dl_c', 'dl_d'])
      assert.deepEqual(await listed({ limit: 2 }), ['dl_a', 'dl_b'])
      assert.deepEqual(await listed({ after: 'dl_b' }), ['dl_c', 'dl_d'])
      assert.deepEqual(await listed({ service: 'email' }), ['dl_a', 'dl_b', 'dl_d'])
      assert.deepEqual(await listed({ state: 'skipped' }), ['dl_d'])
      assert.deepEqual(await listed({ type: 'order.paid' }), ['dl_b'])
      assert.deepEqual(await listed({ until: 2 }), ['dl_a', 'dl_c'])
      assert.deepEqual(await listed({ key: 'order-0', service: 'email' }), ['dl_d'])
    })

    check('are updated only from the expected state', async ({ store, another }) => {
      await owning(store, { i1: [0] })
      const letter = letterOf('dl_1', 5)
      const cursor = cursorOf('order-1', 5, { state: 'parked', deadLetter: 'dl_1' })
      await put(store, [letter], [cursor])
      const redriving: StoredDeadLetter = { ...letter, state: 'redriving', edited: '{"n":2}' }
      const change = {
        id: 'dl_1',
        expected: 'parked' as const,
        letter: redriving,
        cursor: { ...cursor, state: 'retrying' as const },
      }
      const other = await another()
      const outcomes = await Promise.all([store, other, store, other].map((each) => each.deadLetters.update(change)))
      assert.equal(outcomes.filter(Boolean).length, 1)
      assert.deepEqual(await store.deadLetters.get('dl_1'), redriving)
      assert.equal((await other.groups.cursors('email'))[0]?.state, 'retrying')
      assert.equal(await store.deadLetters.update({ ...change, id: 'dl_unknown' }), false)
      assert.equal(await store.deadLetters.update({ ...change, expected: 'skipped', letter: null }), false)
      assert.deepEqual(await store.deadLetters.get('dl_1'), redriving)
    })

    check('are removed with their update, and the cursor goes on where it is told', async ({ store }) => {
      await owning(store, { i1: [0] })
      await put(store, [letterOf('dl_1', 5)], [cursorOf('order-1', 5, { state: 'parked', deadLetter: 'dl_1' })])
      const next = cursorOf('order-1', 6, { state: 'retrying', attempts: 0, nextAttemptAt: 0 })
      const change = { id: 'dl_1', expected: 'parked' as const, letter: null, cursor: next }
      assert.equal(await store.deadLetters.update(change), true)
      assert.equal(await store.deadLetters.get('dl_1'), undefined)
      assert.deepEqual(await store.groups.cursors('email'), [next])
    })

    check('leave a cursor alone whose head is another one', async ({ store }) => {
      await owning(store, { i1: [0] })
      const cursor = cursorOf('order-1', 8, { state: 'parked', deadLetter: 'dl_2' })
      await put(store, [letterOf('dl_1', 5), letterOf('dl_2', 8)], [cursor])
      const change = {
        id: 'dl_1',
        expected: 'parked' as const,
        letter: letterOf('dl_1', 5, { state: 'skipped' }),
        cursor: { ...cursor, state: 'retrying' as const, deadLetter: 'dl_1' },
      }
      assert.equal(await store.deadLetters.update(change), true)
      assert.deepEqual(await store.groups.cursors('email'), [cursor])
      await put(store, [letterOf('dl_9', 9, { key: 'order-9' })])
      const loose = { ...change, id: 'dl_9', letter: null, cursor: cursorOf('order-9', 9) }
      assert.equal(await store.deadLetters.update(loose), true)
      assert.equal((await store.groups.cursors('email')).length, 1)
    })
  })
}

import assert from 'node:assert/strict'
import type { Progress } from '../groups.ts'
import { anEvent, append, eventsOf, expecting, identified } from './events.ts'
import { cursorOf, letterOf, owning } from './group-values.ts'
import { type Bench, type Conformance, capable, checks, idsIn, refused } from './suite.ts'

const BASE = { service: 'email', instance: 'i1', fences: [{ bucket: 0, epoch: 1 }] } satisfies Progress

/** Progress is fenced, and one with what stands beside it. */
export function progressConformance(suite: Conformance): void {
  const check = checks(suite)
  const working = (behaviour: string, body: (bench: Bench) => Promise<void>) =>
    check(behaviour, (bench) =>
      capable(bench.store, 'transactions', {
        yes: () => body(bench),
        async no() {
          await refused('capability-missing', bench.store.progress(BASE, { work: async () => undefined }))
        },
      }),
    )

  suite.describe('progress', () => {
    check('is refused as a whole where one fence does not hold', async ({ store }) => {
      await owning(store, { i1: [0, 1], i2: [2] })
      const write = {
        ...BASE,
        done: [{ bucket: 0, position: 5 }],
        cursors: [{ put: cursorOf('k', 5) }],
        deadLetters: [{ put: letterOf('dl_1', 5) }],
      }
      for (const wrong of [
        { bucket: 1, epoch: 2 },
        { bucket: 1, epoch: 0 },
        { bucket: 2, epoch: 1 },
        { bucket: 3, epoch: 0 },
      ]) {
        const change = { ...write, fences: [...BASE.fences, wrong] }
        const error = await refused('lease-lost', store.progress(change, { append: append(anEvent()) }))
        assert.notEqual(error.details.group, true)
      }
      assert.deepEqual(await store.groups.done('email', new Set([0, 1, 2, 3])), [])
      assert.deepEqual(await store.groups.cursors('email'), [])
      assert.deepEqual(await store.deadLetters.list({ limit: 10 }), [])
      assert.equal(await store.head(), 0)
    })

    check('of an instance that lost its lease is refused on every connection', async ({ store, another }) => {
      const revision = await owning(store, { i1: [0] })
      await (await another()).groups.update('email', revision, { leases: [{ bucket: 0, owner: 'i2', epoch: 2 }] })
      await refused('lease-lost', store.progress({ ...BASE, done: [{ bucket: 0, position: 1 }] }))
      await refused('lease-lost', store.progress({ ...BASE, fences: [{ bucket: 0, epoch: 2 }] }))
    })

    check('at another revision of the group is refused, and says that it is the group', async ({ store }) => {
      const groupRevision = await owning(store, { i1: [0] })
      await store.groups.update('email', groupRevision, {})
      const error = await refused('lease-lost', store.progress({ ...BASE, groupRevision, mark: 9 }))
      assert.equal(error.details.group, true)
      assert.equal((await store.groups.read('email')).leases[0]?.checkpoint, 0)
      await store.progress({ ...BASE, groupRevision: groupRevision + 1, mark: 9 })
      assert.equal((await store.groups.read('email')).leases[0]?.checkpoint, 9)
    })

    check('done twice is no error, but with once it is lease-lost', async ({ store, another }) => {
      await owning(store, { i1: [0] })
      const done = [{ bucket: 0, position: 7 }]
      await store.progress({ ...BASE, done })
      await store.progress({ ...BASE, done })
      const again = (await another()).progress({ ...BASE, done, once: true }, { append: append(anEvent()) })
      await refused('lease-lost', again)
      assert.equal(await store.head(), 0)
      await store.progress({ ...BASE, done: [{ bucket: 0, position: 8 }], once: true })
      assert.equal((await store.groups.done('email', new Set([0]))).length, 2)
    })

    check('of the same event from two workers takes effect once', async ({ store, another }) => {
      await owning(store, { i1: [0] })
      const other = await another()
      const outcomes = await Promise.allSettled(
        Array.from({ length: 10 }, (_, index) =>
          (index % 2 ? store : other).progress(
            { ...BASE, done: [{ bucket: 0, position: 7 }], once: true },
            { append: append(anEvent()) },
          ),
        ),
      )
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
      assert.equal((await idsIn(store)).length, 1)
    })

    check('finished out of order is kept above the mark, and removed with it', async ({ store, another }) => {
      const groupRevision = await owning(store, { i1: [0, 1], i2: [2] })
      const done = [
        { bucket: 0, position: 3 },
        { bucket: 1, position: 6 },
        { bucket: 0, position: 9 },
      ]
      await store.progress({ ...BASE, fences: [...BASE.fences, { bucket: 1, epoch: 1 }], done })
      await store.progress({
        ...BASE,
        instance: 'i2',
        fences: [{ bucket: 2, epoch: 1 }],
        done: [{ bucket: 2, position: 4 }],
      })
      const other = await another()
      const standing = async (...buckets: number[]) =>
        [...(await other.groups.done('email', new Set(buckets)))]
          .map(({ bucket, position }) => [bucket, position])
          .sort(([, a = 0], [, b = 0]) => a - b)
      assert.deepEqual(await standing(0, 1, 2), [
        [0, 3],
        [2, 4],
        [1, 6],
        [0, 9],
      ])
      assert.deepEqual(await standing(1), [[1, 6]])
      assert.deepEqual(await standing(), [])
      await store.progress({ ...BASE, groupRevision, mark: 6 })
      assert.deepEqual(await standing(0, 1, 2), [
        [2, 4],
        [0, 9],
      ])
      // They are gone for good, not only hidden below the checkpoint.
      await store.groups.update('email', groupRevision, {
        fold: ['i1'],
        leases: [0, 1].map((bucket) => ({ bucket, checkpoint: 0 })),
      })
      assert.deepEqual(await standing(0, 1, 2), [
        [2, 4],
        [0, 9],
      ])
    })

    check('commits its append with it, and gives the receipt', async ({ store }) => {
      await owning(store, { i1: [0] })
      const event = anEvent({ stream: 'order-1' })
      const receipt = await store.progress({ ...BASE, done: [{ bucket: 0, position: 1 }] }, { append: append(event) })
      assert.deepEqual([receipt?.ids, receipt?.duplicate], [[event.id], false])
      assert.equal((await store.resolve(receipt?.token ?? ''))?.length, 1)
      assert.equal((await store.groups.done('email', new Set([0]))).length, 1)
      assert.equal(await store.progress(BASE), undefined)
    })

    check('with an append that is refused writes nothing', async ({ store }) => {
      await owning(store, { i1: [0] })
      const write = store.progress(
        { ...BASE, done: [{ bucket: 0, position: 1 }], cursors: [{ put: cursorOf('k', 1) }] },
        { append: append(eventsOf('order-1', 1), [expecting('order-1', 5)]) },
      )
      await refused('revision-conflict', write)
      assert.deepEqual(await store.groups.done('email', new Set([0])), [])
      assert.deepEqual(await store.groups.cursors('email'), [])
      assert.equal(await store.head(), 0)
    })

    check('repeated with derived ids keeps the first recording', async ({ store }) => {
      await owning(store, { i1: [0] })
      const write = (data: string) =>
        store.progress(
          { ...BASE, done: [{ bucket: 0, position: 1 }] },
          { append: append([identified('evt_derived_0', data), identified('evt_derived_1', data)], [], 'keep-first') },
        )
      const first = await write('{"try":1}')
      const second = await write('{"try":2}')
      assert.deepEqual(second, { ...first, duplicate: true })
      const found = await store.byIds(['evt_derived_0', 'evt_derived_1'])
      assert.deepEqual(
        found.map(({ data }) => data),
        ['{"try":1}', '{"try":1}'],
      )
    })
  })

  suite.describe('progress with work', () => {
    working('commits the work, its appends and the progress together', async ({ store }) => {
      await owning(store, { i1: [0] })
      const events = eventsOf('order-1', 2)
      const last = anEvent()
      const receipt = await store.progress(
        { ...BASE, done: [{ bucket: 0, position: 1 }], once: true },
        { work: async (tx) => tx.append(append(events)), append: append(last) },
      )
      assert.deepEqual(
        receipt?.ids,
        [...events, last].map(({ id }) => id),
      )
      assert.deepEqual(await idsIn(store), receipt?.ids)
      assert.equal((await store.groups.done('email', new Set([0]))).length, 1)
    })

    working('that fails leaves nothing of either', async ({ store }) => {
      await owning(store, { i1: [0] })
      const failing = store.progress(
        { ...BASE, done: [{ bucket: 0, position: 1 }] },
        {
          async work(tx) {
            tx.append(append(anEvent()))
            throw new Error('mine')
          },
        },
      )
      await assert.rejects(failing, /mine/)
      assert.equal(await store.head(), 0)
      assert.deepEqual(await store.groups.done('email', new Set([0])), [])
    })

    working('does not begin the work of one that lost its lease', async ({ store }) => {
      await owning(store, { i2: [0] })
      let begun = 0
      const work = async () => {
        begun++
      }
      await refused('lease-lost', store.progress(BASE, { work }))
      await store.progress({ ...BASE, instance: 'i2', done: [{ bucket: 0, position: 1 }] })
      const again = { ...BASE, instance: 'i2', done: [{ bucket: 0, position: 1 }], once: true }
      await refused('lease-lost', store.progress(again, { work }))
      assert.equal(begun, 0)
    })

    working('holds its fences at commit', async ({ store, another }) => {
      const revision = await owning(store, { i1: [0] })
      const other = await another()
      const order: string[] = []
      const takeOver = { leases: [{ bucket: 0, owner: 'i2', epoch: 2 }] }
      let taken: Promise<unknown> = Promise.resolve()
      const write = store.progress(
        { ...BASE, done: [{ bucket: 0, position: 1 }] },
        {
          async work() {
            // Begun from outside of the work's own context, as by another process.
            taken = other.groups.update('email', revision, takeOver).then(
              (done) => order.push(`taken over: ${done}`),
              (error) => order.push(`refused: ${error.code}`),
            )
          },
        },
      )
      const outcome = await write.then(
        () => 'committed',
        (error) => error.code,
      )
      await taken
      const { leases } = await store.groups.read('email')
      // Either the work came first and the take-over followed or was refused, or the commit found its fence gone.
      assert.ok(outcome === 'committed' || (outcome === 'lease-lost' && leases[0]?.owner === 'i2'), outcome)
      const done = await store.groups.done('email', new Set([0]))
      assert.equal(done.length, outcome === 'committed' ? 1 : 0)
      assert.equal(order.length, 1)
    })
  })
}

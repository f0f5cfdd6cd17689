import assert from 'node:assert/strict'
import { anEvent, append, eventsOf, expecting, identified } from './events.ts'
import { type Bench, type Conformance, capable, checks, gate, idsIn, readAll, refused } from './suite.ts'

/** `transaction`, and what readers see while one is open. */
export function transactionsConformance(suite: Conformance): void {
  const registered = checks(suite)
  const check = (behaviour: string, body: (bench: Bench) => Promise<void>) =>
    registered(behaviour, (bench) =>
      capable(bench.store, 'transactions', {
        yes: () => body(bench),
        async no() {
          await refused(
            'capability-missing',
            bench.store.transaction(async () => undefined),
          )
        },
      }),
    )

  const exclusive = (behaviour: string, { yes, no }: Record<'yes' | 'no', (bench: Bench) => Promise<void>>) =>
    check(behaviour, (bench) =>
      capable(bench.store, 'exclusiveTransactions', { yes: () => yes(bench), no: () => no(bench) }),
    )

  suite.describe('a transaction', () => {
    check('records its appends in order once the work is done', async ({ store }) => {
      const { result, receipt } = await store.transaction(async (tx) => {
        tx.append(append(eventsOf('order-1', 1)))
        tx.append(append(eventsOf('order-1', 1), [expecting('order-1', 1)]))
        return 'done'
      })
      assert.equal(result, 'done')
      assert.deepEqual(receipt?.streams, [{ stream: 'order-1', revision: 2 }])
      assert.deepEqual(await idsIn(store), receipt?.ids)
      assert.equal((await store.resolve(receipt?.token ?? ''))?.length, 2)
    })

    check('records an id once that several of its appends hold', async ({ store }) => {
      const event = identified('evt_1', '{}', { stream: 'order-1' })
      const { receipt } = await store.transaction(async (tx) => {
        tx.append(append(event))
        tx.append(append([event, anEvent({ stream: 'order-1' })]))
      })
      assert.equal(receipt?.duplicate, false)
      assert.deepEqual(receipt?.streams, [{ stream: 'order-1', revision: 2 }])
      assert.equal((await idsIn(store)).length, 2)
      const reused = store.transaction(async (tx) => {
        tx.append(append(identified('evt_2', '1')))
        tx.append(append(identified('evt_2', '2')))
      })
      await refused('id-reused', reused)
      assert.equal((await idsIn(store)).length, 2)
    })

    check('without appends has no receipt', async ({ store }) => {
      const outcome = await store.transaction(async () => 7)
      assert.equal(outcome.result, 7)
      assert.equal(outcome.receipt, undefined)
    })

    check('whose work rejects leaves nothing and stalls nobody', async ({ store, another }) => {
      const other = await another()
      const failure = new Error('mine')
      await assert.rejects(
        store.transaction(async (tx) => {
          tx.append(append(identified('evt_1', '{}', { stream: 'order-1' })))
          throw failure
        }),
        (error) => error === failure,
      )
      assert.equal(await other.head(), 0)
      assert.equal(await other.streamRevision('order-1'), 0)
      const event = identified('evt_1', '{}', { stream: 'order-1' })
      assert.equal((await other.append(append(event, [expecting('order-1', 'none')]))).duplicate, false)
      const page = await store.readLog({ limit: 10 })
      assert.deepEqual([page.events.length, page.end], [1, true])
    })

    check('whose work throws before it is asynchronous rejects', async ({ store }) => {
      const work = () => {
        throw new Error('mine')
      }
      await assert.rejects(store.transaction(work), /mine/)
      assert.equal((await store.append(append(anEvent()))).duplicate, false)
    })

    check('with one append refused records none of them', async ({ store }) => {
      await refused(
        'revision-conflict',
        store.transaction(async (tx) => {
          tx.append(append(eventsOf('order-1', 1)))
          tx.append(append(eventsOf('order-2', 1), [expecting('order-2', 4)]))
        }),
      )
      assert.equal(await store.head(), 0)
      assert.equal(await store.streamRevision('order-1'), 0)
    })

    check('takes no append after it is over', async ({ store }) => {
      const { result: kept } = await store.transaction(async (tx) => tx)
      assert.throws(() => kept.append(append(anEvent())))
      assert.equal(await store.head(), 0)
    })

    exclusive('that writes on the store itself is refused instead of waiting for itself', {
      async yes({ store }) {
        await refused(
          'commit-awaited-io',
          store.transaction(async (tx) => {
            tx.append(append(identified('evt_inside')))
            await store.append(append(anEvent()))
          }),
        )
        assert.deepEqual(await store.byIds(['evt_inside']), [])
        assert.equal((await store.append(append(identified('evt_after')))).duplicate, false)
      },
      async no({ store }) {
        await store.transaction(async (tx) => {
          tx.append(append(identified('evt_inside')))
          await store.append(append(identified('evt_beside')))
          assert.equal((await store.byIds(['evt_beside', 'evt_inside'])).length, 1)
        })
        assert.equal((await store.byIds(['evt_beside', 'evt_inside'])).length, 2)
      },
    })

    exclusive('runs apart from the others', {
      async yes({ store }) {
        const order: string[] = []
        const one = (name: string) =>
          store.transaction(async (tx) => {
            order.push(`${name} begins`)
            tx.append(append(anEvent({ stream: 'order-1' })))
            await Promise.resolve()
            order.push(`${name} ends`)
          })
        await Promise.all([one('a'), one('b'), one('c')])
        for (let index = 0; index < order.length; index += 2) {
          assert.equal(order[index]?.replace('begins', 'ends'), order[index + 1])
        }
        assert.equal(await store.streamRevision('order-1'), 3)
      },
      async no({ store, another }) {
        const other = await another()
        const inside = [gate(), gate()] as const
        // Each ends only when the other has begun, and both write to one stream.
        const one = (each: typeof store, mine: 0 | 1, theirs: 0 | 1) =>
          each.transaction(async (tx) => {
            tx.append(append(eventsOf('order-1', 2)))
            tx.append(append(anEvent({ stream: `own-${mine}` })))
            inside[mine].open()
            await inside[theirs].opened
          })
        await Promise.all([one(store, 0, 1), one(other, 1, 0)])
        const events = await store.readStream({ stream: 'order-1', limit: 9 })
        assert.deepEqual(
          events.map(({ revision }) => revision),
          [1, 2, 3, 4],
        )
        assert.deepEqual([await store.streamRevision('own-0'), await store.streamRevision('own-1')], [1, 1])
      },
    })
  })

  suite.describe('the log beside a transaction that somebody holds open', () => {
    registered('readers go on, and get its events after the commit, once', async ({ store, another, hold }) => {
      const other = await another()
      const early = anEvent()
      await store.append(append(early))
      const late = anEvent({ stream: 'order-1' })
      const held = await hold(append(late))
      for (const each of [store, other]) {
        assert.deepEqual(await idsIn(each), [early.id])
        assert.equal(await each.streamRevision('order-1'), 0)
      }
      await held.commit()
      for (const each of [store, other]) {
        assert.deepEqual(await idsIn(each), [early.id, late.id])
        assert.equal(await each.streamRevision('order-1'), 1)
      }
    })

    registered('writers that come meanwhile are recorded, and what is read is read once', async ({ store, hold }) => {
      const held = await hold(append(anEvent({ stream: 'order-1' })))
      const before = await store.readLog({ limit: 10 })
      const waiting = store.append(append(anEvent({ stream: 'order-1' })))
      await held.commit()
      await waiting
      const after = await readAll(store, { after: before.scanned })
      assert.equal(before.events.length + after.length, 2)
      assert.equal(await store.streamRevision('order-1'), 2)
    })

    registered('a rollback leaves no event, takes no id and stalls nobody', async ({ store, another, hold }) => {
      const event = identified('evt_1', '{}', { stream: 'order-1' })
      const held = await hold(append(event))
      const waiting = store.append(append(anEvent({ stream: 'order-1' })))
      await held.rollback()
      await waiting
      const [read] = await readAll(await another())
      assert.equal(read?.revision, 1)
      const page = await store.readLog({ limit: 10 })
      assert.deepEqual([page.events.length, page.scanned, page.end], [1, await store.head(), true])
      assert.equal((await store.append(append(event))).duplicate, false)
    })
  })

  suite.describe('tx.sql', () => {
    registered('reads and writes, and goes with the transaction', async ({ store }) => {
      await capable(store, 'sql', {
        async yes() {
          await store.transaction(async (tx) => {
            await tx.sql`create table stock (sku text primary key, on_hand integer)`
            const { affected } = await tx.sql`insert into stock values (${'a'}, ${5}), (${'b'}, ${1})`
            assert.equal(affected, 2)
          })
          const update = (fail: boolean) =>
            store.transaction(async (tx) => {
              await tx.sql`update stock set on_hand = on_hand - ${2} where sku = ${'a'}`
              tx.append(append(anEvent()))
              if (fail) throw new Error('mine')
            })
          await assert.rejects(update(true), /mine/)
          await update(false)
          const { result } = await store.transaction(
            (tx) => tx.sql<{ sku: string; on_hand: number }>`select sku, on_hand from stock order by sku`,
          )
          assert.deepEqual(
            result.map(({ sku, on_hand }) => [sku, on_hand]),
            [
              ['a', 3],
              ['b', 1],
            ],
          )
          assert.equal((await idsIn(store)).length, 1)
        },
        async no() {
          await refused(
            'capability-missing',
            store.transaction((tx) => tx.sql`select 1`),
          )
          assert.throws(() => store.outbox({}), { code: 'capability-missing' })
        },
      })
    })
  })
}

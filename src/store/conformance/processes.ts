import assert from 'node:assert/strict'
import type { Receipt } from '../events.ts'
import type { Store } from '../port.ts'
import { anEvent, append, eventsOf, expecting, identified } from './events.ts'
import type { Answer } from './fixtures/worker.ts'
import { type Remote, type StoreModule, startRemote } from './process.ts'
import { hostAt, idsIn, type Registrar, readAll, until } from './suite.ts'

/** Another place for a store, which several processes can open. */
export interface SharedPlace {
  readonly module: StoreModule
  connect(host: ReturnType<typeof hostAt>): Promise<Store>
  dispose(): Promise<void>
}

export interface ProcessConformance extends Registrar {
  readonly name: string
  readonly open: () => Promise<SharedPlace>
  /** How many processes take part; 4 by default. */
  readonly processes?: number
}

/** For engines with `multiProcess`: the promises hold between processes, and when one of them is killed. */
export function processConformance({ name, describe, test, open, processes = 4 }: ProcessConformance): void {
  const check = (behaviour: string, count: number, body: (store: Store, remotes: readonly Remote[]) => Promise<void>) =>
    test(behaviour, async () => {
      const place = await open()
      const store = await place.connect(hostAt({ now: 1_700_000_000_000 }))
      const started = await Promise.allSettled(Array.from({ length: count }, () => startRemote(place.module)))
      const remotes = started.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
      try {
        assert.equal(store.capabilities.multiProcess, true)
        for (const each of started) if (each.status === 'rejected') throw each.reason
        await body(store, remotes)
        for (const remote of remotes) await remote.stop()
      } finally {
        for (const remote of remotes) await remote.kill()
        await store.close()
        await place.dispose()
      }
    })

  describe(`${name} between processes`, () => {
    check(
      'exactly one writer on a revision wins each round, and losers burn no position',
      processes,
      async (store, remotes) => {
        for (let round = 0; round < 10; round++) {
          const before = await store.head()
          // Every process is up and waits for its command: the commands are the barrier.
          const outcomes = await Promise.allSettled(
            remotes.map((remote) =>
              remote.ask({
                do: 'append',
                request: append(eventsOf('order-1', 1), [expecting('order-1', round)]),
              }),
            ),
          )
          const lost = outcomes.flatMap((each) => (each.status === 'rejected' ? each.reason : []))
          assert.deepEqual(
            lost.map(({ code }) => code),
            new Array(processes - 1).fill('revision-conflict'),
          )
          assert.equal(await store.head(), before + 1)
        }
        assert.equal(await store.streamRevision('order-1'), 10)
      },
    )

    check('the same id is recorded once', processes, async (store, remotes) => {
      for (let round = 0; round < 10; round++) {
        const request = append(identified(`evt_${round}`, '{}', { stream: 'order-1' }))
        const receipts = await Promise.all(
          remotes.map((remote) => remote.ask({ do: 'append', request }) as Promise<Receipt>),
        )
        assert.equal(receipts.filter(({ duplicate }) => !duplicate).length, 1)
        assert.equal(new Set(receipts.map(({ token }) => token)).size, 1)
      }
      assert.equal((await idsIn(store)).length, 10)
    })

    check(
      'all writers at once lose nothing, and a reader that follows the log misses nothing',
      processes,
      async (store, remotes) => {
        const each = 100
        const writes = remotes.flatMap((remote, writer) =>
          Array.from({ length: each }, () =>
            remote.ask({ do: 'append', request: append(eventsOf(`thing-${writer % 2}`, 2)) }),
          ),
        )
        const followed: string[] = []
        let after = 0
        let over = false
        const all = Promise.all(writes).finally(() => {
          over = true
        })
        await until(
          'everything that was written is read',
          async () => {
            const final = over
            const page = await store.readLog({ after, limit: 7 })
            followed.push(...page.events.map(({ id }) => id))
            after = page.scanned
            return final && page.end
          },
          60_000,
        )
        const receipts = (await all) as Receipt[]
        assert.deepEqual([...followed].sort(), receipts.flatMap(({ ids }) => ids).sort())
        assert.deepEqual(followed, await idsIn(store))
        for (const stream of ['thing-0', 'thing-1']) {
          const events = await store.readStream({ stream, limit: 10_000 })
          assert.ok(events.every(({ revision }, index) => revision === index + 1))
        }
      },
    )

    check('an append is heard of in the others', 2, async (store, [one, two]) => {
      assert.ok(one && two)
      const heard = one.tell({ do: 'watch' }) as readonly Answer[]
      let here = 0
      store.watch(({ head = 0 }) => {
        here = Math.max(here, head)
      })
      await until('it watches', () => heard.length > 0)
      await two.ask({ do: 'append', request: append(anEvent()) })
      const head = await store.head()
      await until('the other process hears', () =>
        heard.some((answer) => 'value' in answer && typeof answer.value === 'number' && answer.value >= head),
      )
      await until('this process hears', () => here >= head)
    })

    for (const batch of [1, 50]) {
      check(
        `a process killed while it appends ${batch} at a time loses nothing it was told of`,
        2,
        async (store, remotes) => {
          const acknowledged = remotes.map((remote) => remote.tell({ do: 'flood', batch }) as readonly Answer[])
          await until(
            'both have written for a while',
            () => acknowledged.every((answers) => answers.length >= 40),
            30_000,
          )
          await Promise.all(remotes.map((remote) => remote.kill()))
          const told = acknowledged.flat().flatMap((answer) => ('value' in answer ? (answer.value as string[]) : []))
          const log = await readAll(store)
          const recorded = new Set(log.map(({ id }) => id))
          assert.deepEqual(
            told.filter((id) => !recorded.has(id)),
            [],
          )
          // A batch is recorded whole or not at all.
          assert.equal(log.length % batch, 0)
          assert.ok(log.every(({ revision }, index) => revision === index + 1))
          await store.append(append(eventsOf('flood-1', 1), [expecting('flood-1', log.length)]))
        },
      )
    }
  })
}

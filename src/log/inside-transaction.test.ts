import { expect, test } from 'vitest'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { all, failure } from '../delivery/fixtures/until.ts'
import { type App, defineAggregate, defineEvent, type Transaction, unchecked } from '../index.ts'

const Counted = defineEvent('counter.counted', { schema: unchecked<{ readonly n: number }>() })
const Started = defineEvent('work.started', { schema: unchecked<{ readonly n: number }>() })

const Counter = defineAggregate('counter', {
  events: [Counted],
  initial: { n: 0 },
  evolve: { 'counter.counted': (state, { data }) => ({ n: state.n + data.n }) },
  commands: { count: (_, n: number) => Counted({ n }) },
})

eachEngine((bed) => {
  test('what an app writes inside a transaction is refused, for it would be no part of it', async () => {
    const app = (await bed().app({ events: [Started] })) as unknown as App
    const calls: [string, () => Promise<unknown>][] = [
      ['publish', () => app.publish(Started({ n: 1 }))],
      ['append', () => app.append([{ stream: 'work-1', events: [Started({ n: 1 })] }])],
      ['execute', () => app.execute(Counter, 'a', 'count', 1)],
      ['decide', () => app.decide([[Counter, 'a']], () => [Counted({ n: 1 })])],
      ['transaction', () => app.transaction(() => undefined)],
    ]
    for (const [call, write] of calls) {
      const work = async (tx: Transaction) => {
        tx.publish(Started({ n: 2 }))
        await write()
      }
      expect(await failure(() => app.transaction(work))).toMatchObject({ code: 'commit-awaited-io', details: { call } })
    }
    expect(await all(app.read())).toEqual([])
    await app.transaction((tx) => tx.publish(Started({ n: 3 })))
    await app.execute(Counter, 'a', 'count', 1)
    expect((await all(app.read())).map(({ data }) => data)).toEqual([{ n: 3 }, { n: 1 }])
  })

  test('a command in a commit is executed in no attempt at it, and in every handler outside', async () => {
    const app = (await bed().app({ events: [Started] })) as unknown as App
    const failing = app.service('inside', { from: 'start', retry: { attempts: 3, min: 1, max: 1 }, patience: 0 })
    failing.on(Started, (_, ctx) => ctx.commit(async () => void (await app.execute(Counter, 'in', 'count', 1))))
    app.service('outside', { from: 'start' }).on(Started, async (_, ctx) => {
      await app.execute(Counter, 'out', 'count', 1)
      await ctx.commit()
      await app.execute(Counter, 'out', 'count', 10)
    })
    await app.start()
    await app.publish(Started({ n: 1 }))
    await app.settled()
    expect(await app.deadLetters.list()).toMatchObject([{ service: 'inside', error: { code: 'commit-awaited-io' } }])
    expect((await app.load(Counter, 'in')).state).toEqual({ n: 0 })
    expect((await app.load(Counter, 'out')).state).toEqual({ n: 11 })
  })
})

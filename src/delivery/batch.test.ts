import { describe, expect, test } from 'vitest'
import { eachEngine } from './fixtures/bed.ts'
import { Answered, EVENTS, Noted, notes, Paid, QUICK } from './fixtures/events.ts'
import { all, until } from './fixtures/until.ts'

describe('a batch handler', () => {
  eachEngine((bed, engine) => {
    test('gets up to its size, or what has come when the wait is over', async () => {
      const app = await bed().app({ events: EVENTS })
      const sizes: number[] = []
      app
        .service('s', { from: 'start' })
        .onBatch(Noted, { size: 10, wait: 20 }, (events) => void sizes.push(events.length))
      await app.publish(notes(25, 25))
      await app.start()
      await app.settled()
      expect(sizes).toEqual([10, 10, 5])
    })

    test('gets the events of each key in order, over and within batches', async () => {
      const app = await bed().app({ events: EVENTS })
      const got = new Map<string, number[]>()
      app.service('s', { from: 'start', concurrency: 3 }).onBatch(Noted, { size: 7, wait: 2 }, async (events) => {
        await new Promise((resolve) => setImmediate(resolve))
        for (const { data } of events) got.set(data.key, [...(got.get(data.key) ?? []), data.n])
      })
      await app.start()
      for (let from = 0; from < 300; from += 30) await app.publish(notes(30, 4, from))
      await app.settled()
      for (const numbers of got.values()) expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
      expect([...got.values()].flat().length).toBe(300)
    })

    test('shares its lanes with handlers of single events', async () => {
      const app = await bed().app({ events: EVENTS })
      const got: string[] = []
      app
        .service('s', { from: 'start', concurrency: 5 })
        .onBatch(Noted, { size: 3, wait: 1 }, (events) => void got.push(...events.map(({ data }) => `n${data.n}`)))
        .on(Paid, ({ data }) => void got.push(`p${data.amount}`))
      const pay = (amount: number) => Paid({ amount }, { stream: 'test-k0' })
      await app.publish([...notes(2), pay(2), ...notes(2, 1, 3), pay(5), pay(6), ...notes(1, 1, 7)])
      await app.start()
      await app.settled()
      expect(got).toEqual(['n0', 'n1', 'p2', 'n3', 'n4', 'p5', 'p6', 'n7'])
    })

    test('marks all of its events with one commit', async () => {
      const app = await bed().app({ events: EVENTS })
      const keys = new Set<string>()
      if (engine !== 'memory') await app.transaction((tx) => tx.sql`create table sums (n integer)`)
      app.service('s', { from: 'start' }).onBatch(Noted, { size: 5, wait: 5 }, async (events, ctx) => {
        for (const event of events) keys.add(ctx.keyOf(event))
        await ctx.commit(async (tx) => {
          const sum = events.reduce((total, { data }) => total + data.n, 0)
          if (engine !== 'memory') await tx.sql`insert into sums values (${sum})`
          tx.publish(Answered({ to: String(sum) }))
        })
      })
      await app.publish(notes(10, 10))
      await app.start()
      await app.settled()
      const answers = (await all(app.read({ types: 'test.answered' }))).map(({ data }) => (data as { to: string }).to)
      expect(answers).toEqual(['10', '35'])
      expect(keys.size).toBe(10)
      if (engine !== 'memory') expect((await app.transaction((tx) => tx.sql`select n from sums`)).length).toBe(2)
    })

    test('that fails is halved down to the one event, which is parked; all others are done once', async () => {
      const app = await bed().app({ events: EVENTS })
      const done: number[] = []
      app.service('s', { from: 'start', retry: QUICK }).onBatch(Noted, { size: 16, wait: 5 }, async (events, ctx) => {
        if (events.some(({ data }) => data.n === 11)) throw new Error('bad')
        await ctx.commit()
        done.push(...events.map(({ data }) => data.n))
      })
      await app.publish(notes(32, 8))
      await app.start()
      await until(async () => {
        await app.publish(Noted({ key: 'other', n: 99 }))
        return (await app.services.list())[0]?.parked === 1
      })
      await app.settled()
      const others = Array.from({ length: 32 }, (_, n) => n).filter((n) => ![11, 19, 27].includes(n))
      expect(done.filter((n) => n !== 99).toSorted((a, b) => a - b)).toEqual(others)
      const [letter] = await app.deadLetters.list()
      await app.deadLetters.redrive(letter?.id ?? '', { data: { key: 'k3', n: 12 } })
      await until(() => done.includes(27))
      expect(done.slice(-3)).toEqual([12, 19, 27])
    })

    test('keeps a long lane whole while a batch of it is gathered', async () => {
      const app = await bed().app({ events: EVENTS })
      const got: number[] = []
      app.service('s', { from: 'start' }).onBatch(Noted, { size: 40, wait: 5 }, async (events) => {
        await new Promise((resolve) => setImmediate(resolve))
        got.push(...events.map(({ data }) => data.n))
      })
      await app.publish(notes(2000))
      await app.start()
      await app.settled()
      expect(got).toEqual(Array.from({ length: 2000 }, (_, n) => n))
    })
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Random } from '../testing/random.ts'
import { eachEngine } from './fixtures/bed.ts'
import { EVENTS, Noted, notes } from './fixtures/events.ts'
import { until } from './fixtures/until.ts'

/** Turns of the event loop, so that handlers end in any order without waiting for the clock. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('events of one key', () => {
  eachEngine((bed) => {
    test('begin in order and never overlap, each once, however long handlers take', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 60 }),
          fc.integer({ min: 1, max: 10 }),
          fc.nat(),
          async (keys, concurrency, seed) => {
            const random = new Random(seed)
            const app = await bed().app({ events: EVENTS })
            const running = new Set<string>()
            const got = new Map<string, number[]>()
            let overlaps = 0
            let most = 0
            app.service('order', { from: 'start', concurrency }).on(Noted, async ({ data: { key, n } }) => {
              if (running.has(key)) overlaps++
              running.add(key)
              most = Math.max(most, running.size)
              got.set(key, [...(got.get(key) ?? []), n])
              await turns(random.below(4))
              running.delete(key)
            })
            await app.start()
            const events = keys.map((key, n) => Noted({ key: `k${key}`, n }))
            await app.publish(events.slice(0, events.length / 2))
            await app.publish(events.slice(events.length / 2))
            await app.settled()
            await app.stop()
            expect(overlaps).toBe(0)
            expect(most).toBeLessThanOrEqual(concurrency)
            const wanted = Map.groupBy(keys.entries(), ([, key]) => `k${key}`)
            expect(got).toEqual(new Map([...wanted].map(([key, list]) => [key, list.map(([n]) => n)])))
          },
        ),
        { numRuns: 25 },
      )
    })

    test('wait for each other while other keys go on, up to the limit', async () => {
      const app = await bed().app({ events: EVENTS })
      const { promise: held, resolve: release } = Promise.withResolvers<void>()
      const begun: string[] = []
      app.service('wide', { from: 'start', concurrency: 3 }).on(Noted, async ({ data: { key, n } }) => {
        begun.push(`${key}:${n}`)
        await held
      })
      await app.publish(notes(20, 5))
      await app.start()
      await until(() => begun.length === 3)
      await turns(20)
      expect(begun.toSorted()).toEqual(['k0:0', 'k1:1', 'k2:2'])
      release()
      await app.settled()
      expect(begun.length).toBe(20)
    })

    test('keep their order when they are thousands, and leave room for the others', async () => {
      const app = await bed().app({ events: EVENTS })
      const got: number[] = []
      const others: number[] = []
      app.service('long', { from: 'start', concurrency: 2 }).on(Noted, async ({ data: { key, n } }) => {
        await turns(1)
        if (key === 'busy') got.push(n)
        else others.push(got.length)
      })
      await app.publish(Array.from({ length: 3000 }, (_, n) => Noted({ key: 'busy', n })))
      await app.publish(notes(10, 10))
      await app.start()
      await app.settled()
      expect(got).toEqual(Array.from({ length: 3000 }, (_, n) => n))
      expect(others.length).toBe(10)
      expect(Math.max(...others)).toBeLessThan(2500)
    })
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { EVENTS, Noted, notes, Paid } from '../delivery/fixtures/events.ts'
import { all, failure, until } from '../delivery/fixtures/until.ts'
import type { ReadOptions, RecordedEvent } from '../index.ts'

const positions = (events: readonly RecordedEvent[]) => events.map(({ position }) => position)

describe('reading', () => {
  eachEngine((bed) => {
    test('gives what a plain filter over the log gives, whatever is asked', async () => {
      const app = await bed().app({ events: EVENTS })
      for (let from = 0; from < 60; from += 12)
        await app.publish([...notes(10, 3, from), Paid({ amount: 1 }), Paid({ amount: 2 })])
      const log = await all(app.read())
      expect(positions(log)).toEqual(Array.from({ length: 60 }, (_, n) => n + 1))
      const place = fc.option(fc.integer({ min: 0, max: 70 }), { nil: undefined })
      const options = fc.record(
        {
          from: place,
          to: place,
          limit: fc.option(fc.integer({ min: 0, max: 70 }), { nil: undefined }),
          backwards: fc.boolean(),
          types: fc.constantFrom(undefined, 'test.*', 'payment.received', ['payment.*', 'test.noted'], '**', 'no.such'),
          stream: fc.constantFrom(undefined, undefined, 'test-k0', 'test-k1', 'test-none'),
        },
        { requiredKeys: [] },
      )
      await fc.assert(
        fc.asyncProperty(options, async (given) => {
          const asked = Object.fromEntries(
            Object.entries(given).filter(([, value]) => value !== undefined),
          ) as ReadOptions & { from?: number; to?: number }
          const { from = 0, to = Number.POSITIVE_INFINITY, limit, backwards = false, types, stream } = asked
          const matches = (event: RecordedEvent) => {
            const at = stream === undefined ? event.position : (event.revision ?? 0)
            const wanted = [types ?? '**'].flat()
            return (
              (stream === undefined || event.stream === stream) &&
              at >= from &&
              at <= to &&
              wanted.some((one) => one === '**' || one === event.type || one === `${event.type.split('.')[0]}.*`)
            )
          }
          const expected = log.filter(matches)
          if (backwards) expected.reverse()
          expect(positions(await all(app.read(asked)))).toEqual(positions(expected.slice(0, limit)))
        }),
        { numRuns: 150 },
      )
    })

    test('goes page by page without gap or repetition', async () => {
      const app = await bed().app({ events: EVENTS })
      for (let from = 0; from < 1600; from += 400) await app.publish(notes(400, 2, from))
      expect(positions(await all(app.read()))).toEqual(Array.from({ length: 1600 }, (_, n) => n + 1))
      expect(positions(await all(app.read({ backwards: true })))).toEqual(
        Array.from({ length: 1600 }, (_, n) => 1600 - n),
      )
      const stream = await all(app.read({ stream: 'test-k1' }))
      expect(stream.map(({ revision }) => revision)).toEqual(Array.from({ length: 800 }, (_, n) => n + 1))
      const back = await all(app.read({ stream: 'test-k1', backwards: true, limit: 700 }))
      expect(back.map(({ revision }) => revision)).toEqual(Array.from({ length: 700 }, (_, n) => 800 - n))
    })

    test('by date gives what was recorded before and after it', async () => {
      let now = 1_700_000_000_000
      const clock = {
        now: () => now,
        monotonic: () => performance.now(),
        after: (ms: number, callback: () => void) => {
          const timer = setTimeout(callback, ms)
          return () => clearTimeout(timer)
        },
      }
      const app = await bed().app({ events: EVENTS, clock })
      for (const n of [0, 1, 2, 3]) {
        now = 1_700_000_000_000 + n * 1000
        await app.publish(notes(1, 1, n))
        await app.read().next() // an engine may record the time with the position, which reading waits for
      }
      const at = (n: number) => new Date(1_700_000_000_000 + n * 1000)
      expect(positions(await all(app.read({ from: at(1) })))).toEqual([2, 3, 4])
      expect(positions(await all(app.read({ to: at(1) })))).toEqual([1, 2])
      expect(positions(await all(app.read({ from: at(1), to: at(2), stream: 'test-k0' })))).toEqual([2, 3])
      expect(positions(await all(app.read({ from: at(1), to: at(2), backwards: true })))).toEqual([3, 2])
      expect(positions(await all(app.read({ to: at(-1) })))).toEqual([])
      expect(positions(await all(app.read({ from: at(9) })))).toEqual([])
    })

    test('follows a correlation and a cause', async () => {
      const app = await bed().app({ events: EVENTS })
      await app.publish(notes(3), { correlationId: 'c1' })
      await app.publish(Paid({ amount: 1 }), { correlationId: 'c1', causationId: 'evt_1' })
      await app.publish(notes(2))
      expect(positions(await all(app.read({ correlationId: 'c1' })))).toEqual([1, 2, 3, 4])
      expect(positions(await all(app.read({ correlationId: 'c1', types: 'payment.*' })))).toEqual([4])
      expect(positions(await all(app.read({ causationId: 'evt_1' })))).toEqual([4])
    })
  })
})

describe('a tail', () => {
  eachEngine((bed) => {
    test('has no seam between what was there and what comes, and ends with its signal', async () => {
      const place = bed()
      const [app, publisher] = [await place.app({ events: EVENTS }), await place.app({ events: EVENTS })]
      await publisher.publish(notes(700, 5))
      const stop = new AbortController()
      const seen: number[] = []
      const tail = (async () => {
        for await (const event of app.tail({ from: 'start', types: 'test.*', signal: stop.signal }))
          seen.push(event.position)
      })()
      for (let from = 700; from < 1400; from += 50) {
        await publisher.publish(notes(50, 5, from))
        await new Promise((resolve) => setImmediate(resolve))
      }
      await until(() => seen.length >= 1400)
      expect(seen).toEqual(Array.from({ length: 1400 }, (_, n) => n + 1))
      stop.abort()
      await tail
    })

    test('begins now by default', async () => {
      const app = await bed().app({ events: EVENTS })
      await app.publish(notes(3))
      const tail = app.tail()
      const next = tail.next()
      await until(async () => {
        await app.publish(Noted({ key: 'new', n: 1 }))
        return Promise.race([next.then(() => true), new Promise<boolean>((resolve) => setImmediate(resolve, false))])
      })
      expect((await next).value).toMatchObject({ data: { key: 'new' } })
      await tail.return()
    })

    test('ends at once where its signal was aborted before', async () => {
      const app = await bed().app({ events: EVENTS })
      await app.publish(notes(3))
      expect(await all(app.tail({ from: 'start', signal: AbortSignal.abort() }))).toEqual([])
    })

    test('ends when the app stops', async () => {
      const app = await bed().app({ events: EVENTS })
      await app.publish(notes(1))
      const tail = app.tail({ from: 'start' })
      await tail.next()
      const next = tail.next()
      await app.stop()
      expect(await next).toEqual({ done: true, value: undefined })
    })

    test('refuses what it cannot mean', async () => {
      const app = await bed().app()
      expect(await failure(() => app.tail({ from: -1 }).next())).toMatchObject({ code: 'invalid-option' })
    })
  })
})

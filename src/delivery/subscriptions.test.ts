import { describe, expect, test } from 'vitest'
import { defineEvent, unchecked } from '../index.ts'
import { eachEngine } from './fixtures/bed.ts'
import { EVENTS, Noted, notes, Paid } from './fixtures/events.ts'
import { failure, until } from './fixtures/until.ts'

describe('where a subscription begins', () => {
  eachEngine((bed) => {
    test('from the start, a position, a date and now: each event from there on once, then live', async () => {
      const app = await bed().app({ events: EVENTS })
      await app.publish(notes(10))
      const middle = new Date(Date.now() + 1)
      while (Date.now() <= middle.getTime()) await new Promise((resolve) => setImmediate(resolve))
      await app.publish(notes(10, 1, 10))
      const got: Record<string, number[]> = { start: [], position: [], date: [], now: [] }
      for (const [name, from] of Object.entries({ start: 'start', position: 5, date: middle, now: 'now' } as const)) {
        app.service(name, { from }).on(Noted, ({ data }) => void got[name]?.push(data.n))
      }
      await app.start()
      await app.publish(notes(5, 1, 20))
      await app.settled()
      const numbers = (first: number) => Array.from({ length: 25 - first }, (_, n) => first + n)
      expect(got).toEqual({ start: numbers(0), position: numbers(4), date: numbers(10), now: numbers(20) })
    })

    test('counts once: a service that was down gets what it missed, whatever it asks for then', async () => {
      const place = bed()
      const got: number[] = []
      for (const from of ['now', 'start', 'now'] as const) {
        const app = await place.app({ events: EVENTS })
        app.service('late', { from }).on(Noted, ({ data }) => void got.push(data.n))
        await app.publish(notes(2, 1, got.length * 10))
        await app.start()
        await app.publish(Noted({ key: 'k0', n: 1000 + got.length }))
        await app.settled()
        await app.stop()
      }
      expect(got).toEqual([1000, 10, 11, 1001, 40, 41, 1004])
    })

    test('no seam between catching up and live, while others publish all the time', async () => {
      const place = bed()
      const app = await place.app({ events: EVENTS })
      const publisher = await place.app({ events: EVENTS })
      let publishing = true
      let published = 0
      const publish = async () => {
        for (; publishing; published += 7) {
          await publisher.publish(notes(7, 5, published))
          await new Promise((resolve) => setImmediate(resolve)) // a store in memory never waits for the loop to turn
        }
      }
      const running = publish()
      await until(() => published > 700)
      const got: number[] = []
      app.service('reader', { from: 'start', concurrency: 4 }).on(Noted, ({ data }) => void got.push(data.n))
      await app.start()
      const before = got.length
      await until(() => got.length > before + 700)
      publishing = false
      await running
      await app.settled()
      expect(got.toSorted((a, b) => a - b)).toEqual(Array.from({ length: published }, (_, n) => n))
    })

    test('every service gets everything', async () => {
      const app = await bed().app({ events: EVENTS })
      const counts = Array.from({ length: 20 }, () => 0)
      counts.forEach((_, index) => {
        app.service(`s${index}`, { from: 'start' }).on(Noted, () => {
          counts[index] = (counts[index] ?? 0) + 1
        })
      })
      await app.start()
      for (let from = 0; from < 500; from += 100) await app.publish(notes(100, 10, from))
      await app.settled()
      expect(counts).toEqual(Array.from({ length: 20 }, () => 500))
    })

    test('a pattern that matches nothing still moves the checkpoint', async () => {
      const app = await bed().app({ events: EVENTS })
      app.service('idle', { from: 'start' }).on('nothing.here', () => undefined)
      await app.start()
      for (let from = 0; from < 5000; from += 1000) await app.publish(notes(1000, 10, from))
      await until(async () => (await app.services.list())[0]?.checkpoint === 5000)
    })

    test('goes on after the last finished, not the last begun', async () => {
      const place = bed()
      const first = await place.app({ events: EVENTS })
      const { promise: held, resolve: release } = Promise.withResolvers<void>()
      const begun: number[] = []
      first.service('slow', { from: 'start', concurrency: 2 }).on(Noted, async ({ data }) => {
        begun.push(data.n)
        if (data.n === 1) await held
      })
      await first.publish([Noted({ key: 'a', n: 1 }), Noted({ key: 'b', n: 2 }), Noted({ key: 'b', n: 3 })])
      await first.start()
      await until(() => begun.length === 3)
      await first.stop({ timeout: 0 })
      release()
      const again: number[] = []
      const second = await place.app({ events: EVENTS })
      second.service('slow', { from: 'start' }).on(Noted, ({ data }) => void again.push(data.n))
      await second.start()
      await second.settled()
      expect(again).toEqual([1])
    })
  })
})

describe('which handler', () => {
  eachEngine((bed) => {
    test('is the most specific one, and only that', async () => {
      const app = await bed().app({ events: EVENTS })
      const got: string[] = []
      app
        .service('routes', { from: 'start' })
        .on('**', ({ type }) => void got.push(`** ${type}`))
        .on('test.*', ({ type }) => void got.push(`test.* ${type}`))
        .on(Noted, ({ type }) => void got.push(`exact ${type}`))
      await app.start()
      await app.publish(Noted({ key: 'a', n: 1 }))
      await app.publish('test.answered', { to: 'x' })
      await app.publish(Paid({ amount: 1 }))
      await app.settled()
      expect(got.toSorted()).toEqual(['** payment.received', 'exact test.noted', 'test.* test.answered'])
    })

    test('takes a list of definitions, which the app then knows', async () => {
      const Extra = defineEvent('extra.made', { schema: unchecked<{ readonly x: number }>() })
      const app = await bed().app({ events: EVENTS })
      const got: string[] = []
      app.service('both', { from: 'start' }).on([Paid, Extra], ({ type }) => void got.push(type))
      await app.start()
      await app.publish([Paid({ amount: 1 }), Extra({ x: 1 })])
      await app.settled()
      expect(got.toSorted()).toEqual(['extra.made', 'payment.received'])
    })

    test('a tie is refused where it is defined', async () => {
      const app = await bed().app({ events: EVENTS })
      const service = app.service('tie').on('*.noted', () => undefined)
      expect(await failure(() => service.on('test.*', () => undefined))).toMatchObject({ code: 'handler-conflict' })
      service.on(Paid, () => undefined)
      expect(await failure(() => service.on('payment.received', () => undefined))).toMatchObject({
        code: 'handler-conflict',
      })
      expect(await failure(() => app.service('tie'))).toMatchObject({ code: 'service-conflict' })
    })

    test('cannot be added after the start', async () => {
      const app = await bed().app({ events: EVENTS })
      const service = app.service('closed').on(Paid, () => undefined)
      await app.start()
      expect(await failure(() => service.on(Noted, () => undefined))).toMatchObject({ code: 'app-started' })
      expect(await failure(() => app.service('other'))).toMatchObject({ code: 'app-started' })
    })
  })
})

import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { eachEngine } from './fixtures/bed.ts'
import { Answered, EVENTS, Noted, notes, Paid, QUICK } from './fixtures/events.ts'
import { failure, until } from './fixtures/until.ts'

describe('operating a service', () => {
  eachEngine((bed) => {
    test('lists what there is: state, instances, subscriptions, checkpoint, lag', async () => {
      const app = await bed().app({ source: 'shop', events: EVENTS })
      app.service('s', { from: 'start' }).on(Noted, () => undefined)
      await app.start()
      await app.publish(notes(5))
      await app.settled()
      expect(await app.services.list()).toMatchObject([
        {
          service: 's',
          state: 'running',
          instances: [{ source: 'shop', pid: process.pid, buckets: 256 }],
          subscriptions: [{ pattern: 'test.noted', since: 0 }],
          checkpoint: 5,
          lag: 0,
          retrying: 0,
          parked: 0,
          waiting: 0,
        },
      ])
    })

    test('pause lets what runs finish and begins nothing, also in instances that start later', async () => {
      const place = bed()
      const got: number[] = []
      let slow = true
      const make = async () => {
        const app = await place.app({ events: EVENTS })
        app.service('s', { from: 'start' }).on(Noted, async ({ data }) => {
          await delay(slow ? 20 : 0)
          got.push(data.n)
        })
        await app.start()
        return app
      }
      const app = await make()
      await app.publish(notes(2000))
      await until(() => got.length > 1)
      await app.services.pause('s', 'for a test')
      let before = 0
      await until(async () => {
        const same = before === got.length
        before = got.length
        return (await failure(() => app.settled({ timeout: 50 }))) !== undefined && same
      }, 'nothing more begins')
      expect(before).toBeLessThan(2000)
      await make()
      await app.publish(notes(1, 1, 2000))
      expect((await app.services.list())[0]).toMatchObject({ state: 'paused', reason: 'for a test' })
      expect(await failure(() => app.settled({ timeout: 50 }))).toMatchObject({ code: 'timeout' })
      expect(got.length).toBe(before)
      slow = false
      await app.services.resume('s')
      await app.settled()
      expect(got).toEqual(Array.from({ length: 2001 }, (_, n) => n))
    })

    test('reset goes backwards and forwards, while it runs or not', async () => {
      const place = bed()
      const app = await place.app({ events: EVENTS })
      let got: number[] = []
      app.service('s', { from: 'start', concurrency: 4 }).on(Noted, ({ data }) => void got.push(data.n))
      await app.start()
      await app.publish(notes(10, 4))
      await app.settled()
      got = []
      await app.services.reset('s', { from: 6 })
      await app.settled()
      expect(got.toSorted()).toEqual([5, 6, 7, 8, 9])
      got = []
      await app.services.pause('s')
      await app.publish(notes(10, 4, 10))
      await app.services.reset('s', { from: 16 })
      await app.services.resume('s')
      await app.settled()
      expect(got.toSorted()).toEqual([15, 16, 17, 18, 19])
      await app.stop()
      got = []
      const operator = await place.app()
      await operator.services.reset('s', { from: 'start' })
      const again = await place.app({ events: EVENTS })
      again.service('s').on(Noted, ({ data }) => void got.push(data.n))
      await again.start()
      await again.settled()
      expect(got.length).toBe(20)
    })

    test('reset takes the dead letters with it that come again', async () => {
      const app = await bed().app({ events: EVENTS })
      let heal = false
      const got: number[] = []
      app.service('s', { from: 'start', retry: QUICK, patience: 0 }).on(Noted, ({ data }) => {
        if (data.n === 1 && !heal) throw new Error('bad')
        got.push(data.n)
      })
      await app.start()
      await app.publish(notes(4))
      await until(async () => (await app.services.list())[0]?.parked === 1)
      heal = true
      await app.services.reset('s', { from: 'start' })
      await app.settled()
      expect(got).toEqual([0, 0, 1, 2, 3])
      expect(await app.deadLetters.list()).toEqual([])
    })

    test('forget needs all instances gone, and leaves nothing', async () => {
      const place = bed()
      const app = await place.app({ events: EVENTS })
      app.service('s', { from: 'start' }).on(Noted, () => undefined)
      await app.start()
      await app.publish(notes(2))
      expect(await failure(() => app.services.forget('s'))).toMatchObject({ code: 'service-running' })
      await app.stop()
      const operator = await place.app()
      await operator.services.forget('s')
      expect(await operator.services.list()).toEqual([])
      expect(await failure(() => operator.services.forget('s'))).toMatchObject({ code: 'service-unknown' })
    })

    test('skip and drop go on behind the event, also while the service is down', async () => {
      const place = bed()
      const run = async () => {
        const app = await place.app({ events: EVENTS })
        app.service('s', { from: 'start', retry: QUICK, patience: 0 }).on(Noted, ({ data }) => {
          if (data.n % 2 === 0) throw new Error('bad')
          got.push(data.n)
        })
        await app.start()
        return app
      }
      const got: number[] = []
      const first = await run()
      await first.publish(notes(6))
      await until(async () => (await first.services.list())[0]?.parked === 1)
      await first.deadLetters.skip((await first.deadLetters.list())[0]?.id ?? '')
      await until(async () => (await first.deadLetters.list({ state: 'parked' })).length === 1)
      await first.stop()
      const operator = await place.app({ events: EVENTS })
      const [parked] = await operator.deadLetters.list({ state: 'parked' })
      await operator.deadLetters.drop(parked?.id ?? '')
      const second = await run()
      await until(async () => (await second.deadLetters.list({ state: 'parked' })).length === 1)
      await second.settled()
      expect(got).toEqual([1, 3])
      expect(
        (await second.deadLetters.list()).map(({ state, event }) => [state, (event.data as { n: number }).n]),
      ).toEqual(
        expect.arrayContaining([
          ['skipped', 0],
          ['parked', 4],
        ]),
      )
      expect((await second.deadLetters.list()).length).toBe(2)
    })
  })
})

describe('settled', () => {
  eachEngine((bed) => {
    test('waits for what services set off in each other', async () => {
      const app = await bed().app({ events: EVENTS })
      let last = 0
      // Alphabetical, so that the first to be looked at is the last to get work.
      app.service('a', { from: 'start' }).on(Paid, async () => {
        await new Promise((resolve) => setImmediate(resolve))
        last++
      })
      app.service('b', { from: 'start' }).on(Answered, (_, ctx) => ctx.publish(Paid({ amount: 1 })))
      app.service('c', { from: 'start' }).on(Noted, (_, ctx) => ctx.publish(Answered({ to: 'x' })))
      await app.start()
      for (let round = 1; round <= 20; round++) {
        await app.publish(notes(1))
        await app.settled()
        expect(last).toBe(round)
      }
    })

    test('after a receipt waits for its events only', async () => {
      const app = await bed().app({ events: EVENTS })
      const { promise: held, resolve: release } = Promise.withResolvers<void>()
      app.service('s', { from: 'start', concurrency: 5 }).on(Noted, async ({ data }) => {
        if (data.key === 'held') await held
      })
      await app.start()
      const quick = await app.publish(Noted({ key: 'quick', n: 1 }))
      const slow = await app.publish(Noted({ key: 'held', n: 1 }))
      await app.settled({ after: quick })
      expect(await failure(() => app.settled({ after: slow, timeout: 30 }))).toMatchObject({
        code: 'timeout',
        details: { unfinished: [expect.stringContaining('s ')] },
      })
      release()
      await app.settled({ after: slow })
      await app.settled({ after: await app.publish(Paid({ amount: 1 })), timeout: 2000 })
    })

    test('of chosen services waits for no others, and names the unknown', async () => {
      const app = await bed().app({ events: EVENTS })
      app.service('quick', { from: 'start' }).on(Noted, () => undefined)
      app.service('never', { from: 'start', timeout: '1h' }).on(Noted, (_, ctx) => {
        return new Promise((resolve) => ctx.signal.addEventListener('abort', () => resolve()))
      })
      await app.start()
      await app.publish(notes(1))
      await app.settled({ services: ['quick'] })
      expect(await failure(() => app.settled({ services: ['none'], timeout: 1 }))).toMatchObject({ code: 'timeout' })
    })
  })
})

describe('a pattern that is added', () => {
  eachEngine((bed) => {
    test.each([
      ['at the end', undefined, [] as number[]],
      ['where its own from says', 'start' as const, [1, 2]],
    ])('begins %s, and nothing is handled twice', async (_, from, old) => {
      const place = bed()
      const got: string[] = []
      const first = await place.app({ events: EVENTS })
      first.service('s', { from: 'start', concurrency: 3 }).on(Noted, ({ data }) => void got.push(`n${data.n}`))
      await first.start()
      await first.publish([...notes(10, 4), Paid({ amount: 1 }), ...notes(10, 4, 10), Paid({ amount: 2 })])
      await first.settled()
      await first.stop()
      const second = await place.app({ events: EVENTS })
      second
        .service('s', { from: 'start', concurrency: 3 })
        .on(Noted, ({ data }) => void got.push(`n${data.n}`))
        .on(Paid, ({ data }) => void got.push(`p${data.amount}`), from === undefined ? {} : { from })
      await second.start()
      await second.publish([...notes(5, 4, 20), Paid({ amount: 3 })])
      await second.settled()
      const wanted = [...Array.from({ length: 25 }, (_, n) => `n${n}`), ...[...old, 3].map((n) => `p${n}`)]
      expect(got.toSorted()).toEqual(wanted.toSorted())
    })

    test('while others run and their share is being handed over, loses nothing and repeats nothing', async () => {
      const place = bed()
      const got: string[] = []
      const make = async (withPaid: boolean) => {
        const app = await place.app({ events: EVENTS })
        const service = app.service('s', { from: 'start', concurrency: 3 }).on(Noted, async ({ data }) => {
          await new Promise((resolve) => setImmediate(resolve))
          got.push(`n${data.n}`)
        })
        if (withPaid) service.on(Paid, ({ data }) => void got.push(`p${data.amount}`), { from: 'start' })
        await app.start()
        return app
      }
      const first = await make(false)
      for (let from = 0; from < 200; from += 20) await first.publish([...notes(20, 9, from), Paid({ amount: from })])
      const second = await make(true)
      for (let from = 200; from < 400; from += 20) await first.publish([...notes(20, 9, from), Paid({ amount: from })])
      const third = await make(true)
      await first.stop()
      await third.settled()
      await second.stop()
      await third.settled()
      const wanted = [
        ...Array.from({ length: 400 }, (_, n) => `n${n}`),
        ...Array.from({ length: 20 }, (_, n) => `p${n * 20}`),
      ]
      expect(got.toSorted()).toEqual(wanted.toSorted())
    })
  })
})

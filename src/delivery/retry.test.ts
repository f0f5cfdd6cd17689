import { describe, expect, test } from 'vitest'
import { HodisaError, PermanentError } from '../index.ts'
import { eachEngine } from './fixtures/bed.ts'
import { Answered, EVENTS, Noted, notes, QUICK } from './fixtures/events.ts'
import { type Fault, withFaults } from './fixtures/faults.ts'
import { failure, until } from './fixtures/until.ts'

const bad = Noted({ key: 'bad', n: 0 })
const good = (n: number) => Noted({ key: `good${n}`, n })

describe('a failing event', () => {
  eachEngine((bed) => {
    test('is parked after its attempts, the later ones of its key wait in order, the others never wait', async () => {
      const app = await bed().app({ events: EVENTS })
      const got: string[] = []
      let heal = false
      app.service('s', { from: 'start', retry: QUICK }).on(Noted, ({ data: { key, n } }) => {
        if (key === 'bad' && n === 0 && !heal) throw new Error('bad')
        got.push(`${key}:${n}`)
      })
      await app.start()
      await app.publish([bad, good(1), Noted({ key: 'bad', n: 1 }), good(2)])
      await until(async () => (await app.services.list())[0]?.parked === 1)
      await app.publish([Noted({ key: 'bad', n: 2 }), good(3)])
      await app.settled()
      expect(got.toSorted()).toEqual(['good1:1', 'good2:2', 'good3:3'])
      const [letter] = await app.deadLetters.list()
      expect(letter).toMatchObject({
        state: 'parked',
        attempts: 3,
        key: 'test-bad',
        error: { name: 'Error', message: 'bad' },
        event: { data: { key: 'bad', n: 0 } },
      })
      heal = true
      await app.deadLetters.redrive(letter?.id ?? '')
      await until(() => got.length === 6)
      expect(got.slice(3)).toEqual(['bad:0', 'bad:1', 'bad:2'])
      await app.settled()
      expect(await app.deadLetters.list()).toEqual([])
    })

    test('is parked at once when its error is permanent', async () => {
      const app = await bed().app({ events: EVENTS })
      let runs = 0
      app.service('s', { from: 'start', retry: { attempts: 50 } }).on(Noted, () => {
        runs++
        throw new PermanentError('never')
      })
      await app.start()
      await app.publish(bad)
      await app.settled()
      expect(runs).toBe(1)
      expect(await app.deadLetters.list()).toMatchObject([{ attempts: 1, error: { name: 'PermanentError' } }])
    })

    test('keeps its attempts and its place when the app restarts, retrying or parked', async () => {
      const place = bed()
      const attempts: number[] = []
      const run = async (attempt: (n: number) => void) => {
        const app = await place.app({ events: EVENTS })
        app.service('s', { from: 'start', retry: { ...QUICK, min: 20, max: 20 } }).on(Noted, ({ data }, ctx) => {
          if (data.key !== 'bad') return
          attempts.push(ctx.attempt)
          attempt(data.n)
        })
        await app.start()
        return app
      }
      const fail = () => {
        throw new Error('bad')
      }
      const first = await run(fail)
      await first.publish(bad)
      await until(() => attempts.length === 1)
      await until(async () => (await first.services.list())[0]?.retrying === 1)
      await first.stop()
      const second = await run(fail)
      await until(() => attempts.length >= 3)
      await second.publish(good(1))
      await until(async () => (await second.services.list())[0]?.parked === 1)
      await second.stop()
      expect(attempts.slice(0, 3)).toEqual([1, 2, 3])
      const count = attempts.length
      const third = await run(() => undefined)
      await third.publish(Noted({ key: 'bad', n: 1 }))
      await third.settled()
      expect(attempts.length).toBe(count)
      await third.deadLetters.redrive((await third.deadLetters.list())[0]?.id ?? '')
      await third.settled()
      expect(attempts.slice(count)).toEqual([1, 1])
    })

    test('is skipped under poison "skip", and the letter says so', async () => {
      const app = await bed().app({ events: EVENTS })
      const got: number[] = []
      app.service('s', { from: 'start', retry: QUICK, poison: 'skip', patience: 0 }).on(Noted, ({ data: { n } }) => {
        if (n === 0) throw new Error('bad')
        got.push(n)
      })
      await app.start()
      await app.publish(notes(3))
      await app.settled()
      expect(got).toEqual([1, 2])
      expect(await app.deadLetters.list()).toMatchObject([{ state: 'skipped', attempts: 3 }])
    })

    test('stops the service under poison "stop", and goes on after resume', async () => {
      const app = await bed().app({ events: EVENTS })
      const got: number[] = []
      let heal = false
      app.service('s', { from: 'start', retry: QUICK, poison: 'stop', patience: 0 }).on(Noted, ({ data: { n } }) => {
        if (n === 0 && !heal) throw new Error('bad')
        got.push(n)
      })
      await app.start()
      await app.publish(notes(3))
      await until(async () => (await app.services.list())[0]?.state === 'paused')
      expect((await app.services.list())[0]?.reason).toContain('bad')
      expect(got).toEqual([])
      heal = true
      await app.services.resume('s')
      await app.settled()
      expect(got).toEqual([0, 1, 2])
    })

    test('is kept with whatever it threw: huge, cyclic, no error at all', async () => {
      const app = await bed().app({ events: EVENTS })
      const cyclic = new Error('cyclic')
      cyclic.cause = cyclic
      const hostile = {
        get message() {
          throw new Error('hostile')
        },
      }
      const thrown = [
        new Error('x'.repeat(1_000_000)),
        cyclic,
        'text',
        undefined,
        null,
        { a: 1n },
        hostile,
        Symbol('s'),
      ]
      app.service('s', { from: 'start', retry: { ...QUICK, attempts: 1 }, patience: 0 }).on(Noted, ({ data }) => {
        throw thrown[data.n]
      })
      await app.start()
      await app.publish(thrown.map((_, n) => good(n)))
      await app.settled()
      const letters = await app.deadLetters.list()
      expect(letters.length).toBe(thrown.length)
      for (const { error } of letters) expect(JSON.stringify(error).length).toBeLessThan(30_000)
    })

    test('among many: all poison ends parked, all good is done', async () => {
      const app = await bed().app({ events: EVENTS })
      const got = new Set<number>()
      app.service('s', { from: 'start', retry: QUICK, concurrency: 8 }).on(Noted, ({ data: { key, n } }) => {
        if (key.startsWith('bad')) throw new Error('bad')
        got.add(n)
      })
      await app.start()
      const events = Array.from({ length: 600 }, (_, n) => Noted({ key: n % 3 === 0 ? `bad${n}` : `good${n % 50}`, n }))
      for (let from = 0; from < events.length; from += 50) await app.publish(events.slice(from, from + 50))
      await until(async () => {
        await app.publish(good(1)) // something succeeds: it is no outage
        return (await app.services.list())[0]?.parked === 200
      })
      await app.settled()
      expect(got.size).toBe(400)
    })
  })
})

describe('an outage', () => {
  eachEngine((bed) => {
    test('parks nothing however long it lasts, holds new events back, and ends by itself', async () => {
      const app = await bed().app({ events: EVENTS })
      const begun = new Set<number>()
      const got = new Set<number>()
      let down = true
      let calls = 0
      app.service('s', { from: 'start', retry: QUICK, concurrency: 2 }).on(Noted, async ({ data }) => {
        calls++
        begun.add(data.n)
        await new Promise((resolve) => setImmediate(resolve))
        if (down) throw new Error('unreachable')
        got.add(data.n)
      })
      await app.publish(Array.from({ length: 200 }, (_, n) => good(n)))
      await app.start()
      await until(() => calls > 100)
      expect(await app.deadLetters.list()).toEqual([])
      expect(begun.size).toBeLessThan(150)
      down = false
      await app.settled()
      expect(got.size).toBe(200)
      expect(await app.deadLetters.list()).toEqual([])
    })

    test('ends for an event when its patience has', async () => {
      const app = await bed().app({ events: EVENTS })
      app.service('s', { from: 'start', retry: QUICK, patience: 1 }).on(Noted, () => {
        throw new Error('always')
      })
      await app.start()
      await app.publish(good(1))
      await until(async () => (await app.deadLetters.list()).length === 1)
    })
  })
})

describe('a store that fails', () => {
  const full = () => new HodisaError('store-full', 'the disk is full')

  eachEngine((bed) => {
    test('while an event is parked: it is tried again, and nothing is marked done', async () => {
      let failing = false
      let refused = 0
      const fault: Fault = (method, [change]) => {
        const parks = method === 'progress' && ((change as { deadLetters?: unknown[] }).deadLetters?.length ?? 0) > 0
        if (!failing || !parks) return undefined
        refused++
        return full()
      }
      const place = bed()
      const app = await place.app({ events: EVENTS }, (store) => withFaults(store, fault))
      const got: string[] = []
      app.service('s', { from: 'start', retry: QUICK }).on(Noted, ({ data: { key, n } }) => {
        if (key === 'bad' && n === 0) throw new PermanentError('bad')
        got.push(`${key}:${n}`)
      })
      await app.start()
      failing = true
      await app.publish([bad, Noted({ key: 'bad', n: 1 }), good(1)])
      await until(() => refused > 1)
      expect((await app.services.list())[0]?.parked).toBe(0)
      failing = false
      await until(async () => (await app.services.list())[0]?.parked === 1)
      await app.settled()
      expect(got).toEqual(['good1:1'])
    })

    test('with every call for a while: handlers go on, and afterwards everything is done', async () => {
      let failing = false
      let refused = 0
      const fault: Fault = (method) => {
        if (!failing || ['append', 'watch', 'close'].includes(method)) return undefined
        refused++
        return full()
      }
      const place = bed()
      const app = await place.app({ events: EVENTS }, (store) => withFaults(store, fault))
      const got: number[] = []
      app.service('s', { from: 'start', retry: QUICK, concurrency: 3 }).on(Noted, async ({ data }, ctx) => {
        if (data.n % 3 === 0) await ctx.commit((tx) => tx.publish(Answered({ to: String(data.n) })))
        else if (data.n % 7 === 1 && ctx.attempt === 1) throw new Error('once')
        got.push(data.n)
      })
      await app.start()
      await app.publish(notes(60, 12))
      await until(() => got.length > 5)
      failing = true
      await app.publish(notes(60, 12, 60))
      await until(() => refused > 5)
      failing = false
      await app.settled()
      expect(new Set(got).size).toBe(120)
      expect(await app.deadLetters.list()).toEqual([])
      const answers = new Set<unknown>()
      for await (const event of app.read({ types: 'test.answered' })) answers.add(event.data)
      expect(answers.size).toBe(40)
    })

    test('that refuses a commit does not lose the event', async () => {
      let refusals = 2
      const fault: Fault = (method, [, effects]) =>
        method === 'progress' && effects !== undefined && refusals-- > 0 ? full() : undefined
      const app = await bed().app({ events: EVENTS }, (store) => withFaults(store, fault))
      const codes: unknown[] = []
      app.service('s', { from: 'start', retry: QUICK }).on(Noted, async (_, ctx) => {
        if (ctx.attempt < 3) codes.push(await failure(() => ctx.commit((tx) => tx.publish(Answered({ to: 'x' })))))
        else await ctx.commit((tx) => tx.publish(Answered({ to: 'done' })))
      })
      await app.start()
      await app.publish(good(1))
      await app.settled()
      expect(codes).toMatchObject([{ code: 'store-full' }, { code: 'store-full' }])
    })
  })
})

import { describe, expect, test } from 'vitest'
import type { HandlerContext, HodisaError } from '../index.ts'
import { type Bed, eachEngine } from './fixtures/bed.ts'
import { Answered, EVENTS, Noted, QUICK } from './fixtures/events.ts'
import { all, failure, until } from './fixtures/until.ts'

const one = Noted({ key: 'a', n: 1 })
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Runs one event through a handler, until the service has settled. */
async function handle(place: Bed, handler: (ctx: HandlerContext) => void | Promise<void>, options = {}) {
  const app = await place.app({ events: EVENTS })
  app.service('s', { from: 'start', retry: { ...QUICK, attempts: 4 }, ...options }).on(Noted, (_, ctx) => handler(ctx))
  await app.start()
  await app.publish(one)
  await app.settled()
  return app
}

const answers = async (app: Awaited<ReturnType<typeof handle>>) =>
  (await all(app.read({ types: 'test.answered' }))).map(({ data }) => (data as { to: string }).to)

describe('a handler', () => {
  eachEngine((bed, engine) => {
    test('is told its attempt, and keeps its idempotency key', async () => {
      const seen: unknown[] = []
      await handle(bed(), async ({ attempt, idempotencyKey, service }) => {
        seen.push([attempt, idempotencyKey, service])
        if (attempt < 3) throw new Error('not yet')
      })
      const key = (seen[0] as string[])[1]
      expect(seen).toEqual([1, 2, 3].map((attempt) => [attempt, key, 's']))
      expect(key).toMatch(/^s:evt_/)
    })

    test('is aborted at its timeout, and its context is dead then', async () => {
      const refused: unknown[] = []
      const app = await handle(
        bed(),
        async (ctx) => {
          if (ctx.attempt > 1) return
          await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
          refused.push(await failure(() => ctx.commit()), await failure(() => ctx.publish(Answered({ to: 'x' }))))
        },
        { timeout: 20 },
      )
      expect(refused).toMatchObject([{ code: 'context-dead' }, { code: 'context-dead' }])
      expect(await answers(app)).toEqual([])
    })

    test('keeps its key until it ends, also when its time is over', async () => {
      const { promise: held, resolve: release } = Promise.withResolvers<void>()
      let running = 0
      let most = 0
      let aborted = false
      const app = await bed().app({ events: EVENTS })
      app.service('s', { from: 'start', timeout: 10, retry: QUICK, concurrency: 5 }).on(Noted, async (event, ctx) => {
        most = Math.max(most, ++running)
        if (event.data.n === 1 && ctx.attempt === 1) {
          ctx.signal.addEventListener('abort', () => {
            aborted = true
          })
          await held
        }
        running--
      })
      await app.start()
      await app.publish([one, Noted({ key: 'a', n: 2 })])
      await until(() => aborted)
      await turn()
      expect(most).toBe(1)
      release()
      await app.settled()
      expect(most).toBe(1)
    })

    test('commits effect, events and mark together, once', async () => {
      const place = bed()
      let app = await place.app({ events: EVENTS })
      if (engine !== 'memory') await app.transaction((tx) => tx.sql`create table effects (n integer)`)
      app = await handle(place, async (ctx) => {
        await ctx.commit(async (tx) => {
          if (engine !== 'memory') await tx.sql`insert into effects values (${ctx.attempt})`
          tx.publish(Answered({ to: `attempt ${ctx.attempt}` }))
          if (ctx.attempt < 3) throw new Error('rolled back')
        })
      })
      expect(await answers(app)).toEqual(['attempt 3'])
      if (engine !== 'memory') {
        expect([...(await app.transaction((tx) => tx.sql`select n from effects`))]).toEqual([{ n: 3 }])
      }
    })

    test('that throws after its commit is reported, and not run again', async () => {
      const place = bed()
      let runs = 0
      await handle(place, async (ctx) => {
        runs++
        await ctx.commit()
        throw new Error('too late')
      })
      expect(runs).toBe(1)
      expect(place.logger.said('error', 'threw after ctx.commit')).toBe(true)
    })

    test('may leave its commit unawaited', async () => {
      let runs = 0
      const app = await handle(bed(), (ctx) => {
        runs++
        void ctx.commit((tx) => tx.publish(Answered({ to: 'done' })))
      })
      expect([runs, await answers(app)]).toEqual([1, ['done']])
    })

    test('that swallows a rejected commit is not done', async () => {
      const app = await handle(bed(), async (ctx) => {
        await ctx
          .commit((tx) => {
            if (ctx.attempt === 1) throw new Error('no')
            tx.publish(Answered({ to: `attempt ${ctx.attempt}` }))
          })
          .catch(() => undefined)
      })
      expect(await answers(app)).toEqual(['attempt 2'])
    })

    test('commits once an attempt', async () => {
      const codes: unknown[] = []
      await handle(bed(), async (ctx) => {
        await ctx.commit()
        codes.push(await failure(() => ctx.commit()), await failure(() => ctx.publish(Answered({ to: 'x' }))))
      })
      expect(codes).toMatchObject([{ code: 'already-committed' }, { code: 'already-committed' }])
    })

    test('that waits for something else in its commit is refused where others would have to wait too', async () => {
      const place = bed()
      const other = await place.app({ events: EVENTS })
      const outcomes: unknown[] = []
      await handle(place, async (ctx) => {
        if (ctx.attempt > 1) return
        // The memory engine has no connection that could be held: it sees only its own writes.
        const io = engine === 'memory' ? () => other.publish(Answered({ to: 'x' })) : turn
        const committed = ctx.commit(async () => void (await io())).then(() => 'committed')
        outcomes.push(await committed.catch((error: HodisaError) => error.code))
      })
      expect(outcomes).toEqual([engine === 'postgres' ? 'committed' : 'commit-awaited-io'])
    })

    test('publishes when it resolves, under ids that stay the same', async () => {
      const place = bed()
      const app = await handle(place, async (ctx) => {
        ctx.publish(Answered({ to: 'first' }), Answered({ to: 'second' }))
        await turn()
        if (ctx.attempt < 3) throw new Error('not yet')
      })
      expect(await answers(app)).toEqual(['first', 'second'])
      const before = (await all(app.read({ types: 'test.answered' }))).map(({ id }) => id)
      await app.services.reset('s', { from: 'start' })
      await app.settled()
      expect((await all(app.read({ types: 'test.answered' }))).map(({ id }) => id)).toEqual(before)
    })

    test('that is synchronous may publish too, and what is wrong with its events fails the attempt', async () => {
      const seen: unknown[] = []
      const app = await handle(bed(), (ctx) => {
        if (ctx.attempt === 1) {
          try {
            ctx.publish({ type: 'no.such', data: {} })
          } catch (error) {
            seen.push(error)
            throw new Error('again')
          }
        }
        ctx.publish(Answered({ to: 'ok' }))
      })
      expect(seen).toMatchObject([{ code: 'unknown-type' }])
      expect(await answers(app)).toEqual(['ok'])
    })

    test('gets a copy of its own', async () => {
      const app = await bed().app({ events: EVENTS })
      const got: unknown[] = []
      for (const name of ['one', 'two']) {
        app.service(name, { from: 'start' }).on(Noted, (event) => {
          got.push({ ...event.data })
          ;(event.data as { n: number }).n = 99
        })
      }
      await app.start()
      await app.publish(one)
      await app.settled()
      expect(got).toEqual([one.data, one.data])
    })
  })
})

describe('what a handler sets off', () => {
  eachEngine((bed) => {
    test('carries the correlation and its cause, over three services, however it is published', async () => {
      const app = await bed().app({ events: EVENTS })
      app.service('first', { from: 'start' }).on(Noted, async ({ data }, ctx) => {
        await new Promise((resolve) => setImmediate(resolve))
        if (data.n === 1) await ctx.commit((tx) => tx.publish(Answered({ to: 'by commit' })))
        else if (data.n === 2) ctx.publish(Answered({ to: 'by ctx' }))
        else await app.publish(Answered({ to: 'by app' }))
      })
      app.service('second', { from: 'start' }).on(Answered, (event, ctx) => {
        ctx.publish({ type: 'payment.received', data: { amount: event.data.to.length } })
      })
      app.service('third', { from: 'start' }).on('payment.*', async (_, ctx) => ctx.commit())
      await app.start()
      const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
      await Promise.all(
        [1, 2, 3].map((n) =>
          app.context({ correlationId: `req_${n}`, traceparent: trace }, () => app.publish(Noted({ key: `k${n}`, n }))),
        ),
      )
      await app.settled()
      for (const n of [1, 2, 3]) {
        const events = await all(app.read({ correlationId: `req_${n}` }))
        expect(events.map(({ type }) => type)).toEqual(['test.noted', 'test.answered', 'payment.received'])
        const [root, answer, payment] = events
        expect(root?.metadata).toEqual({ correlationId: `req_${n}`, source: 'test', traceparent: trace })
        expect(answer?.metadata).toMatchObject({ causationId: root?.id, traceparent: trace })
        expect(payment?.metadata).toMatchObject({ causationId: answer?.id, traceparent: trace })
      }
    })

    test('is not mixed with what others do at the same time', async () => {
      const app = await bed().app({ events: EVENTS })
      app.service('many', { from: 'start', concurrency: 10 }).on(Noted, async ({ data }, ctx) => {
        await new Promise((resolve) => setImmediate(resolve))
        await ctx.commit((tx) => tx.publish(Answered({ to: String(data.n) })))
      })
      await app.start()
      const events = Array.from({ length: 100 }, (_, n) => Noted({ key: `k${n % 20}`, n }, { correlationId: `c${n}` }))
      await Promise.all(events.map((event) => app.publish(event)))
      await app.settled()
      const found = await all(app.read({ types: 'test.answered' }))
      expect(found.length).toBe(100)
      for (const { data, metadata } of found) {
        expect(metadata.correlationId).toBe(`c${(data as { to: string }).to}`)
        expect(metadata.causationId).toMatch(/^evt_/)
      }
    })
  })
})

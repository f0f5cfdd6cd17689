import { describe, expect, test } from 'vitest'
import { type App, defineEvent, unchecked } from '../index.ts'
import { type Bed, eachEngine } from './fixtures/bed.ts'
import { EVENTS, Noted, notes } from './fixtures/events.ts'
import { failure, until } from './fixtures/until.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Watches over all instances of a service: order of each key, no overlap, each once. */
class Watch {
  readonly handled: number[] = []
  readonly by = new Map<number, string>()
  readonly faults: string[] = []
  readonly #running = new Set<string>()
  readonly #last = new Map<string, number>()

  async instance(place: Bed, name: string, concurrency = 4): Promise<App<typeof EVENTS>> {
    const app = await place.app({ source: name, events: EVENTS })
    app.service('shared', { from: 'start', concurrency }).on(Noted, async ({ data: { key, n } }) => {
      if (this.#running.has(key)) this.faults.push(`${key}:${n} overlaps`)
      if ((this.#last.get(key) ?? -1) >= n) this.faults.push(`${key}:${n} came after ${this.#last.get(key)}`)
      this.#running.add(key)
      this.#last.set(key, n)
      await turn()
      this.#running.delete(key)
      this.handled.push(n)
      this.by.set(n, name)
    })
    await app.start()
    return app
  }

  expectAll(count: number): void {
    expect(this.faults).toEqual([])
    expect(this.handled.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, n) => n))
  }
}

const shares = async (app: App<typeof EVENTS>) =>
  (await app.services.list())[0]?.instances.map(({ buckets }) => buckets).toSorted((a, b) => a - b)

describe('instances of a service', () => {
  eachEngine((bed) => {
    test('share its events among them, each to one', async () => {
      const [place, watch] = [bed(), new Watch()]
      const one = await watch.instance(place, 'one')
      await watch.instance(place, 'two')
      await until(async () => String(await shares(one)) === '128,128')
      for (let from = 0; from < 600; from += 100) await one.publish(notes(100, 60, from))
      await one.settled()
      watch.expectAll(600)
      expect(new Set(watch.by.values())).toEqual(new Set(['one', 'two']))
    })

    test('come and go under load, 1 to 4 to 2, with nothing lost, repeated or out of order', async () => {
      const [place, watch] = [bed(), new Watch()]
      const publisher = await place.app({ events: EVENTS })
      let published = 0
      const publish = async (count: number) => {
        for (const end = published + count; published < end; published += 20) {
          await publisher.publish(notes(20, 40, published))
          await turn()
        }
      }
      const instances = [await watch.instance(place, 'i0')]
      for (const name of ['i1', 'i2', 'i3']) {
        await Promise.all([publish(400), watch.instance(place, name).then((app) => instances.push(app))])
      }
      await until(async () => String(await shares(publisher)) === '64,64,64,64')
      await Promise.all([publish(600), instances[0]?.stop(), instances[2]?.stop()])
      await until(async () => String(await shares(publisher)) === '128,128')
      await publish(200)
      await publisher.settled()
      watch.expectAll(published)
    })

    test('that stop let what runs finish, start nothing more, and hand over at once', async () => {
      const place = bed()
      const { promise: held, resolve: release } = Promise.withResolvers<void>()
      const got: string[] = []
      const make = async (name: string) => {
        const app = await place.app({ source: name, events: EVENTS })
        app.service('s', { from: 'start' }).on(Noted, async ({ data }) => {
          got.push(`${name} begins ${data.n}`)
          if (name === 'one') await held
          got.push(`${name} ends ${data.n}`)
        })
        await app.start()
        return app
      }
      const one = await make('one')
      await one.publish(notes(3))
      await until(() => got.length === 1)
      const stopped = one.stop()
      const two = await make('two')
      await turn()
      expect(got).toEqual(['one begins 0'])
      release()
      await stopped
      await two.settled()
      expect(got.slice(0, 2)).toEqual(['one begins 0', 'one ends 0'])
      expect(got.slice(2).filter((line) => line.startsWith('two begins'))).toEqual(['two begins 1', 'two begins 2'])
    })

    test('that run out of time at the stop mark nothing unfinished, and refuse the late commit', async () => {
      const place = bed()
      const late = Promise.withResolvers<unknown>()
      const begun = Promise.withResolvers<void>()
      const one = await place.app({ events: EVENTS })
      one.service('s', { from: 'start' }).on(Noted, async (_, ctx) => {
        begun.resolve()
        await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
        late.resolve(await failure(() => ctx.commit()))
      })
      await one.start()
      await one.publish(notes(1))
      await begun.promise
      await one.stop({ timeout: 1 })
      expect(await late.promise).toMatchObject({ code: 'context-dead' })
      const again: number[] = []
      const two = await place.app({ events: EVENTS })
      two.service('s', { from: 'start' }).on(Noted, ({ data }) => void again.push(data.n))
      await two.start()
      await two.settled()
      expect(again).toEqual([0])
    })

    test('an event is finished by one of two that have it: done out of order and then again by nobody', async () => {
      const place = bed()
      const first = await place.app({ events: EVENTS })
      const { promise: held, resolve: release } = Promise.withResolvers<void>()
      const done: number[] = []
      first.service('s', { from: 'start', concurrency: 3 }).on(Noted, async ({ data }) => {
        if (data.n < 2) await held
        done.push(data.n)
      })
      await first.start()
      await first.publish([0, 1, 2].map((n) => Noted({ key: `k${n}`, n })))
      await until(() => done.length === 1)
      await first.stop({ timeout: 1 })
      const second = await place.app({ events: EVENTS })
      const again: number[] = []
      second.service('s', { from: 'start' }).on(Noted, ({ data }) => void again.push(data.n))
      await second.start()
      await second.settled()
      release()
      expect(again.toSorted()).toEqual([0, 1])
    })
  })
})

describe('starting and stopping', () => {
  eachEngine((bed) => {
    test('twice is safe, and a stopped app says so', async () => {
      const app = await bed().app({ events: EVENTS })
      app.service('s').on(Noted, () => undefined)
      await Promise.all([app.start(), app.start()])
      await Promise.all([app.stop(), app.stop()])
      await app.stop()
      expect(await failure(() => app.start())).toMatchObject({ code: 'app-stopped' })
      expect(await failure(() => app.publish(notes(1)))).toMatchObject({ code: expect.stringMatching(/^store-|^app-/) })
    })

    test('before it ever started is fine, and at once while it starts', async () => {
      const place = bed()
      await (await place.app()).stop()
      const app = await place.app({ events: EVENTS })
      app.service('s').on(Noted, () => undefined)
      const started = app.start()
      await app.stop()
      await started
      expect((await (await place.app()).services.list())[0]?.instances).toEqual([])
    })

    test('a service without handlers is refused', async () => {
      const app = await bed().app({ events: EVENTS })
      app.service('empty')
      expect(await failure(() => app.start())).toMatchObject({ code: 'invalid-definition' })
    })
  })
})

describe('instances of different age', () => {
  const V1 = defineEvent('thing.made', { schema: unchecked<{ readonly name: string }>(), stream: () => 'x' })
  const V2 = defineEvent('thing.made', {
    version: 2,
    schema: unchecked<{ readonly first: string }>(),
    stream: () => 'x',
    upcast: { 1: (old: { name: string }) => ({ first: old.name }) },
  })
  const New = defineEvent('thing.sold', { schema: unchecked<{ readonly first: string }>(), stream: () => 'x' })

  eachEngine((bed) => {
    test('what the older cannot handle waits for the newer, in order, and nothing is passed over', async () => {
      const place = bed()
      const got: string[] = []
      const old = await place.app({ source: 'old', events: [V1] })
      old.service('s', { from: 'start' }).on(V1, ({ data }) => void got.push(`old ${data.name}`))
      await old.start()
      await old.publish(V1({ name: 'a' }))
      await old.settled()
      const young = await place.app({ source: 'young', events: [V2, New] })
      young
        .service('s', { from: 'start' })
        .on(V2, ({ data }) => void got.push(`young ${data.first}`))
        .on(New, ({ data }) => void got.push(`young sold ${data.first}`))
      await young.start()
      await young.publish([V2({ first: 'b' }), New({ first: 'b' }), V2({ first: 'c' })])
      await young.settled({ timeout: '15s' })
      expect(got).toEqual(['old a', 'young b', 'young sold b', 'young c'])
    })

    test('what nobody can handle yet waits, while other keys go on', async () => {
      const place = bed()
      const publisher = await place.app({ events: [V2] })
      const got: string[] = []
      const old = await place.app({ events: [V1, ...EVENTS] })
      old
        .service('s', { from: 'start' })
        .on(V1, () => void got.push('old'))
        .on(Noted, () => void got.push('other'))
      await old.start()
      await publisher.publish(V2({ first: 'b' }))
      await old.publish(notes(1))
      await until(async () => (await old.services.list())[0]?.waiting === 1)
      await until(() => got.length === 1)
      expect(got).toEqual(['other'])
      expect(await failure(() => old.settled({ timeout: 1 }))).toMatchObject({
        code: 'timeout',
        message: expect.stringContaining('waiting'),
      })
      const young = await place.app({ events: [V2, ...EVENTS] })
      young.service('s').on(V2, () => void got.push('young'))
      await young.start()
      await young.settled()
      expect(got).toEqual(['other', 'young'])
    })

    test('a subscription that nobody announces any more ends, and what waited for it is let go', async () => {
      const place = bed()
      const young = await place.app({ events: [V1, New] })
      young
        .service('s')
        .on(V1, () => undefined)
        .on(New, () => undefined)
      await young.start()
      await young.stop()
      const old = await place.app({ events: [V1, New] })
      const got: string[] = []
      old.service('s', { abandonAfter: 1 }).on(V1, ({ data }) => void got.push(data.name))
      await old.publish([New({ first: 'b' }), V1({ name: 'c' })])
      await old.start()
      await until(async () => {
        await old.services.resume('s') // makes it look
        return (await old.services.list())[0]?.subscriptions.length === 1
      })
      await old.settled()
      expect(got).toEqual(['c'])
    })
  })
})

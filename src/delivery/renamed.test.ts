import { describe, expect, test } from 'vitest'
import { defineEvent, dropped, unchecked } from '../index.ts'
import { eachEngine } from './fixtures/bed.ts'
import { EVENTS, Noted } from './fixtures/events.ts'
import { until } from './fixtures/until.ts'

const schema = unchecked<{ readonly n: number }>()
const stream = ({ n }: { readonly n: number }) => `o${n % 2}`
const Placed = defineEvent('order.placed', { schema, stream })
const Created = defineEvent('order.created', { schema, stream, was: ['order.placed'] })
const Billed = defineEvent('invoice.sent', { schema, stream, was: ['order.placed'] })

describe('a service subscribed to an event that was renamed', () => {
  eachEngine((bed) => {
    test('gets what was recorded under either name, in order of its key, as the new type', async () => {
      const place = bed()
      await (await place.app({ events: [Placed] })).publish([0, 1, 2, 3].map((n) => Placed({ n })))
      const app = await place.app({ events: [Created] })
      await app.publish([4, 5, 6, 7].map((n) => Created({ n })))
      const got: unknown[] = []
      app.service('s', { from: 'start' }).on(Created, (event) => {
        got.push([event.type, event.stream, event.revision, event.data.n])
      })
      await app.start()
      await app.settled()
      const expected = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => ['order.created', `order-o${n % 2}`, (n >> 1) + 1, n])
      expect(got.toSorted((a, b) => Number((a as number[])[3]) - Number((b as number[])[3]))).toEqual(expected)
      for (const of of ['order-o0', 'order-o1']) {
        const revisions = got.filter((one) => (one as unknown[])[1] === of).map((one) => (one as unknown[])[2])
        expect(revisions).toEqual([1, 2, 3, 4])
      }
    })

    test('goes on under the new name where it stood under the old one: nothing twice, nothing left out', async () => {
      const place = bed()
      const got: string[] = []
      const old = await place.app({ events: [Placed] })
      old.service('s', { from: 'start' }).on(Placed, ({ data }) => void got.push(`old ${data.n}`))
      await old.start()
      await old.publish([Placed({ n: 0 }), Placed({ n: 1 })])
      await old.settled()
      await old.stop()
      // Publishers are deployed first, some of them; the service, that would begin at the end of the log, comes later.
      const publishers = await place.app({ events: [Created] })
      await publishers.publish([Created({ n: 2 }), Created({ n: 3 })])
      await (await place.app({ events: [Placed] })).publish([Placed({ n: 4 }), Placed({ n: 5 })])
      const young = await place.app({ events: [Created] })
      young.service('s', { from: 'now' }).on(Created, ({ data }) => void got.push(`young ${data.n}`))
      await young.start()
      await young.publish(Created({ n: 6 }))
      await young.settled()
      expect(got.slice(0, 2).toSorted()).toEqual(['old 0', 'old 1'])
      expect(got.slice(2).toSorted()).toEqual([2, 3, 4, 5, 6].map((n) => `young ${n}`))
    })

    test('while old instances run: they take the old name, leave the new one to new instances, and order holds', async () => {
      const place = bed()
      const got: number[] = []
      const oldGot: number[] = []
      const old = await place.app({ source: 'old', events: [Placed] })
      old.service('s', { from: 'start' }).on(Placed, ({ data }) => {
        got.push(data.n)
        oldGot.push(data.n)
      })
      await old.start()
      await old.publish([Placed({ n: 0 }), Placed({ n: 1 })])
      await old.settled()
      const young = await place.app({ source: 'young', events: [Created] })
      young.service('s', { from: 'start' }).on(Created, ({ data }) => void got.push(data.n))
      await young.start()
      // The old instance has heard of the new one, and so of its subscriptions.
      await until(
        async () => (await old.services.list())[0]?.instances.every(({ buckets }) => buckets === 128) ?? false,
      )
      for (let n = 2; n < 22; n += 4) {
        await old.publish([Placed({ n }), Placed({ n: n + 1 })])
        await young.publish([Created({ n: n + 2 }), Created({ n: n + 3 })])
      }
      await young.settled({ timeout: '15s' })
      for (const parity of [0, 1]) {
        expect(got.filter((n) => n % 2 === parity)).toEqual(
          Array.from({ length: 11 }, (_, index) => index * 2 + parity),
        )
      }
      expect(oldGot.every((n) => n < 2 || (n - 2) % 4 < 2)).toBe(true)
      // The service is one and its subscriptions stay, by both names.
      await old.stop()
      await young.services.resume('s')
      const [status] = await young.services.list()
      expect(status?.subscriptions.map(({ pattern }) => pattern).toSorted()).toEqual(['order.created', 'order.placed'])
    })

    test('by a pattern of the new name: the events of the old name are in it', async () => {
      const place = bed()
      await (await place.app({ events: [Placed] })).publish([Placed({ n: 0 }), Placed({ n: 1 })])
      const app = await place.app({ events: [Billed] })
      const got: string[] = []
      app.service('new', { from: 'start' }).on('invoice.*', ({ type }) => void got.push(`new ${type}`))
      app.service('old', { from: 'start' }).on('order.*', ({ type }) => void got.push(`old ${type}`))
      app
        .service('both', { from: 'start' })
        .on('order.*', () => void got.push('never'))
        .on(Billed, ({ type }) => void got.push(`both ${type}`))
      await app.start()
      await app.publish(Billed({ n: 2 }))
      await app.settled()
      expect(got.toSorted()).toEqual([
        ...Array.from({ length: 3 }, () => 'both invoice.sent'),
        ...Array.from({ length: 3 }, () => 'new invoice.sent'),
        ...Array.from({ length: 2 }, () => 'old invoice.sent'),
      ])
    })

    test('an old name that a running service takes in later begins at the end of the log', async () => {
      const place = bed()
      await (await place.app({ events: [Placed] })).publish([Placed({ n: 0 })])
      const Alone = defineEvent('order.created', { schema, stream })
      const before = await place.app({ events: [Alone] })
      const got: number[] = []
      before.service('s', { from: 'start' }).on(Alone, ({ data }) => void got.push(data.n))
      await before.start()
      await before.publish(Alone({ n: 1 }))
      await before.settled()
      await before.stop()
      const after = await place.app({ events: [Created] })
      after.service('s', { from: 'start' }).on(Created, ({ data }) => void got.push(data.n))
      await after.start()
      await (await place.app({ events: [Placed] })).publish([Placed({ n: 2 })])
      await after.settled()
      expect(got).toEqual([1, 2])
    })
  })
})

describe('an event that an upcaster drops', () => {
  const V1 = defineEvent('thing.made', { schema: unchecked<{ readonly n: number }>(), stream: () => 'x' })
  const V2 = defineEvent('thing.made', {
    version: 2,
    schema: unchecked<{ readonly n: number }>(),
    stream: () => 'x',
    upcast: { 1: (v1: { n: number }) => (v1.n % 2 === 0 ? dropped : v1) },
  })

  eachEngine((bed) => {
    test('is passed over by services, one by one and in batches, and what is behind it goes on', async () => {
      const place = bed()
      await (await place.app({ events: [V1] })).publish([0, 1, 2, 3, 4].map((n) => V1({ n })))
      const app = await place.app({ events: [V2, ...EVENTS] })
      const got: number[] = []
      const batches: number[] = []
      app.service('each', { from: 'start' }).on(V2, ({ data }) => void got.push(data.n))
      app
        .service('batch', { from: 'start' })
        .onBatch(V2, { size: 3, wait: 1 }, (events) => void batches.push(...events.map(({ data }) => data.n)))
        .on(Noted, () => undefined)
      await app.start()
      await app.publish(V2({ n: 6 }))
      await app.settled()
      expect(got).toEqual([1, 3, 6])
      expect(batches).toEqual([1, 3, 6])
      await until(async () => (await app.services.list()).every(({ checkpoint }) => checkpoint === 6))
    })
  })
})

import { describe, expect, test } from 'vitest'
import { defineEvent, dropped, splitInto, unchecked } from '../index.ts'
import type { Store } from '../store/port.ts'
import { type Bed, eachEngine } from './fixtures/bed.ts'
import { QUICK } from './fixtures/events.ts'
import { all, failure, until } from './fixtures/until.ts'

interface Order {
  readonly n: number
}

const Old = defineEvent('order.placed', {
  schema: unchecked<{ readonly n: number; readonly paid: boolean }>(),
  stream: () => 'o1',
})
const Paid = defineEvent('order.paid', { schema: unchecked<Order>(), stream: () => 'o1' })
const Noted = defineEvent('order.noted', { schema: unchecked<Order>(), stream: () => 'o1' })
const New = defineEvent('order.placed', {
  version: 2,
  schema: unchecked<Order>(),
  stream: () => 'o1',
  upcast: {
    1: ({ n, paid }: { n: number; paid: boolean }) =>
      paid ? splitInto({ n }, Paid({ n }), Noted({ n })) : n < 0 ? splitInto(dropped, Noted({ n })) : { n },
  },
})
const EVENTS = [New, Paid, Noted] as const

async function appWithOrders(place: Bed) {
  const old = await place.app({ events: [Old] })
  const { ids } = await old.publish([
    Old({ n: 1, paid: false }),
    Old({ n: 2, paid: true }),
    Old({ n: -3, paid: false }),
    Old({ n: 4, paid: true }),
  ])
  const app = await place.app({ events: EVENTS })
  return { app, ids }
}

/** What each part is, in order. */
const PARTS = ['placed 1', 'placed 2', 'paid 2', 'noted 2', 'noted -3', 'placed 4', 'paid 4', 'noted 4']

const nameOf = ({ type, data }: { readonly type: string; readonly data: unknown }) =>
  `${type.split('.')[1]} ${(data as Order).n}`

describe('an event that an upcaster splits', () => {
  eachEngine((bed) => {
    test('is read as its parts, at its own place, each with an id that finds it again', async () => {
      const { app, ids } = await appWithOrders(bed())
      const events = await all(app.read())
      expect(events.map(nameOf)).toEqual(PARTS)
      expect(events.slice(1, 4)).toMatchObject([
        { id: ids[1], version: 2, position: 2, revision: 2, stream: 'order-o1' },
        { id: `${ids[1]}#2`, version: 1, position: 2, revision: 2, stream: 'order-o1' },
        { id: `${ids[1]}#3`, version: 1, position: 2, revision: 2, stream: 'order-o1' },
      ])
      for (const event of events) expect(await app.get(event.id)).toEqual(event)
      expect(await app.get(ids[2] ?? '')).toBeUndefined()
      expect(await app.get(`${ids[1]}#4`)).toBeUndefined()
      expect((await all(app.read({ backwards: true }))).map(nameOf)).toEqual(PARTS.toReversed())
      expect((await all(app.read({ stream: 'order-o1', limit: 3 }))).map(nameOf)).toEqual(PARTS.slice(0, 3))
      expect((await all(app.read({ types: 'order.placed' }))).map(nameOf)).toEqual(['placed 1', 'placed 2', 'placed 4'])
      const tailed: string[] = []
      for await (const event of app.tail({ from: 'start' })) {
        tailed.push(nameOf(event))
        if (tailed.length === PARTS.length) break
      }
      expect(tailed).toEqual(PARTS)
    })

    test('is handled part by part, in order; parts that no handler wants are passed over', async () => {
      const { app } = await appWithOrders(bed())
      const got: string[] = []
      const keys = new Set<string>()
      app.service('all', { from: 'start' }).on('order.*', (event, ctx) => {
        got.push(nameOf(event))
        keys.add(ctx.idempotencyKey)
      })
      const some: string[] = []
      app
        .service('some', { from: 'start' })
        .on(New, (event) => void some.push(nameOf(event)))
        .on(Noted, async (event) => void some.push(nameOf(event)))
      const batched: string[] = []
      app
        .service('batched', { from: 'start' })
        .onBatch('order.*', { size: 10, wait: 1 }, (events) => void batched.push(events.map(nameOf).join()))
      await app.start()
      await app.publish(New({ n: 5 }))
      await app.settled()
      expect(got).toEqual([...PARTS, 'placed 5'])
      expect(keys.size).toBe(PARTS.length + 1)
      expect(some).toEqual([...PARTS.filter((part) => !part.startsWith('paid')), 'placed 5'])
      expect(batched.flatMap((names) => names.split(','))).toEqual([...PARTS, 'placed 5'])
    })

    test('goes on from the part that failed: what was finished before it is not begun again', async () => {
      const place = bed()
      const { app } = await appWithOrders(place)
      const tries: string[] = []
      app.service('s', { from: 'start', retry: QUICK, patience: 0 }).on('order.*', async (event, ctx) => {
        const name = nameOf(event)
        tries.push(name)
        if (name === 'paid 2' && ctx.attempt < 3) throw new Error('not yet')
        await ctx.commit((tx) => void tx.publish(Noted({ n: 100 }, { id: `after ${name}`, stream: 'order-other' })))
      })
      await app.start()
      await until(() => tries.includes('noted 4'))
      await app.settled()
      const first = tries.filter((name) => name !== 'noted 100')
      expect(first).toEqual(['placed 1', 'placed 2', 'paid 2', 'paid 2', ...PARTS.slice(2)])
      const noted = await all(app.read({ stream: 'order-other' }))
      expect(noted.filter(({ id }) => id === 'after placed 2')).toHaveLength(1)
    })

    test('goes on from the part that failed also where nothing was committed, and leaves nothing behind', async () => {
      const place = bed()
      await appWithOrders(place)
      let documents: Store['documents'] | undefined
      const app = await place.app({ events: EVENTS }, (store) => {
        documents = store.documents
        return store
      })
      const tries: string[] = []
      app.service('s', { from: 'start', retry: QUICK, patience: 0 }).on('order.*', (event, ctx) => {
        tries.push(nameOf(event))
        if (nameOf(event) === 'noted 2' && ctx.attempt < 2) throw new Error('not yet')
      })
      await app.start()
      await app.settled()
      expect(tries).toEqual([...PARTS.slice(0, 3), 'noted 2', ...PARTS.slice(3)])
      expect(await documents?.count('hodisa.parts')).toBe(0)
    })

    test('comes again from its first part when the service is moved back', async () => {
      const place = bed()
      const { app } = await appWithOrders(place)
      const got: string[] = []
      let broken = true
      app.service('s', { from: 'start', retry: { ...QUICK, attempts: 1 }, patience: 0 }).on('order.*', (event) => {
        got.push(nameOf(event))
        if (broken && nameOf(event) === 'noted 2') throw new Error('broken')
      })
      await app.start()
      await until(async () => (await app.services.list())[0]?.parked === 1)
      expect(got).toEqual(['placed 1', 'placed 2', 'paid 2', 'noted 2'])
      const [letter] = await app.deadLetters.list()
      expect(await failure(() => app.deadLetters.redrive(letter?.id ?? '', { data: { n: 7 } }))).toMatchObject({
        code: 'invalid-option',
        message: expect.stringContaining('split'),
      })
      broken = false
      await app.services.reset('s', { from: 'start' })
      await until(() => got.includes('noted 4'))
      await app.settled()
      expect(got.slice(4)).toEqual(PARTS)
    })

    test('waits where another instance handles a part that this one does not', async () => {
      const place = bed()
      const { app: young } = await appWithOrders(place)
      const got: string[] = []
      young
        .service('s', { from: 'start' })
        .on(New, (event) => void got.push(nameOf(event)))
        .on(Paid, (event) => void got.push(nameOf(event)))
      await young.start()
      await young.settled()
      await young.stop()
      expect(got).toEqual(PARTS.filter((part) => !part.startsWith('noted')))
      const old = await place.app({ events: EVENTS })
      const alone: string[] = []
      old.service('s').on(New, (event) => void alone.push(nameOf(event)))
      await old.start()
      await (await place.app({ events: [Old] })).publish(Old({ n: 6, paid: true }))
      await until(async () => (await old.services.list())[0]?.waiting === 1)
      expect(alone).toEqual([])
      const again = await place.app({ events: EVENTS })
      again
        .service('s')
        .on(New, (event) => void got.push(nameOf(event)))
        .on(Paid, (event) => void got.push(nameOf(event)))
      await again.start()
      await until(() => got.includes('paid 6'))
      expect(alone).toEqual([])
    })

    test('into what is not defined, or what its schema refuses, is parked and says so', async () => {
      const place = bed()
      const { ids } = await appWithOrders(place)
      const blind = await place.app({ events: [New] })
      expect(await failure(() => all(blind.read()))).toMatchObject({
        code: 'upcast-failed',
        message: expect.stringMatching(/order\.paid, which is not defined in this app/),
        details: { id: ids[1], position: 2, type: 'order.placed', version: 1 },
      })
      blind.service('s', { from: 'start' }).on(New, () => undefined)
      await blind.start()
      await until(async () => (await blind.services.list())[0]?.parked === 1)
      const [letter] = await blind.deadLetters.list()
      expect(letter).toMatchObject({
        error: { code: 'upcast-failed', message: expect.stringContaining(`event ${ids[1]} at position 2`) },
        event: { version: 1, data: { n: 2, paid: true } },
      })
      // Put right at the version it was recorded at, it goes through the upcaster again.
      await blind.deadLetters.redrive(letter?.id ?? '', { data: { n: 2, paid: false } })
      await until(async () => (await blind.deadLetters.list())[0]?.event.position !== 2)
    })
  })
})

import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { all, failure } from '../delivery/fixtures/until.ts'
import { defineEvent, unchecked } from '../index.ts'

const Created = defineEvent('order.created', {
  schema: z.object({
    orderId: z.string(),
    total: z.number(),
    items: z.array(z.object({ sku: z.string() })).default([]),
  }),
  stream: ({ orderId }) => orderId,
})
const Pinged = defineEvent('pinged', { schema: unchecked<Record<string, unknown>>() })
const Slow = defineEvent('slow.checked', {
  schema: z.object({ n: z.number() }).refine(async ({ n }) => Promise.resolve(n > 0), 'must be positive'),
})
const events = [Created, Pinged, Slow] as const
const order = (orderId: string, total = 1) => Created({ orderId, total })

describe('publishing', () => {
  eachEngine((bed) => {
    test('gives a receipt that is plain JSON, and records what the schema makes of the data', async () => {
      const app = await bed().app({ source: 'shop', events })
      const receipt = await app.publish([order('a'), order('b'), order('a')])
      expect(receipt).toEqual({
        ids: [expect.stringMatching(/^evt_/), expect.stringMatching(/^evt_/), expect.stringMatching(/^evt_/)],
        streams: [
          { stream: 'order-a', revision: 2 },
          { stream: 'order-b', revision: 1 },
        ],
        duplicate: false,
        token: expect.any(String),
      })
      expect(JSON.parse(JSON.stringify(receipt))).toEqual(receipt)
      const [first] = await all(app.read())
      expect(first).toEqual({
        id: receipt.ids[0],
        type: 'order.created',
        version: 1,
        timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
        data: { orderId: 'a', total: 1, items: [] },
        metadata: { correlationId: receipt.ids[0], source: 'shop' },
        stream: 'order-a',
        revision: 1,
        position: 1,
      })
      expect(await app.get(receipt.ids[0] ?? '')).toEqual(first)
      expect(await app.get('evt_none')).toBeUndefined()
    })

    test('by name records the same as by definition', async () => {
      const app = await bed().app({ events })
      await app.publish('order.created', { orderId: 'a', total: 1 }, { metadata: { user: 'u1' } })
      await app.publish(order('a'), { metadata: { user: 'u1' } })
      const [one, two] = await all(app.read({ stream: 'order-a' }))
      expect(two).toMatchObject({ type: one?.type, data: one?.data, metadata: { user: 'u1' }, revision: 2 })
    })

    test('nothing gives an empty receipt', async () => {
      const app = await bed().app({ events })
      expect(await app.publish([])).toMatchObject({ ids: [], streams: [] })
    })

    test('the same id again returns the first receipt, and writes nothing', async () => {
      const app = await bed().app({ events })
      const first = await app.publish(order('a'), { id: 'mine' })
      const again = await app.publish(order('a'), { id: 'mine' })
      expect(again).toEqual({ ...first, duplicate: true })
      expect((await all(app.read())).length).toBe(1)
    })

    test('an id with other content is refused by name', async () => {
      const app = await bed().app({ events })
      await app.publish(order('a'), { id: 'mine' })
      expect(await failure(() => app.publish(order('a', 2), { id: 'mine' }))).toMatchObject({
        code: 'id-reused',
        message: expect.stringContaining('mine'),
      })
    })

    test('of a batch that is partly known only the new events are recorded, unless a revision is expected', async () => {
      const app = await bed().app({ events })
      const one = Created({ orderId: 'a', total: 1 }, { id: 'one' })
      const two = Created({ orderId: 'a', total: 2 }, { id: 'two' })
      await app.publish(one)
      expect(await failure(() => app.publish([one, two], { expectedRevision: 1 }))).toMatchObject({
        code: 'partial-duplicate',
      })
      expect(await app.publish([one, two])).toMatchObject({ ids: ['one', 'two'], duplicate: false })
      expect((await all(app.read())).map(({ id }) => id)).toEqual(['one', 'two'])
    })

    test('enforces the expected revision', async () => {
      const app = await bed().app({ events })
      await app.publish(order('a'), { expectedRevision: 'none' })
      await app.publish(order('a'), { expectedRevision: 1 })
      for (const expectedRevision of [0, 1, 3, 'none'] as const) {
        expect(await failure(() => app.publish(order('a'), { expectedRevision }))).toMatchObject({
          code: 'revision-conflict',
        })
      }
      expect(await failure(() => app.publish(order('b'), { expectedRevision: 'exists' }))).toMatchObject({
        code: 'revision-conflict',
      })
      expect((await all(app.read())).length).toBe(2)
    })

    test('one of many at the same revision wins', async () => {
      const app = await bed().app({ events })
      const attempts = Array.from({ length: 10 }, (_, n) => app.publish(order('a', n), { expectedRevision: 0 }))
      const results = await Promise.allSettled(attempts)
      expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(1)
      expect((await all(app.read())).map(({ position }) => position)).toEqual([1])
    })

    test('names every issue of invalid data with its path', async () => {
      const app = await bed().app({ events })
      const wrong = { orderId: 1, total: 'x', items: [{ sku: 's' }, { sku: 2 }] } as never
      const error = await failure(() => app.publish('order.created', wrong))
      expect(error).toMatchObject({
        code: 'invalid-data',
        details: {
          issues: [
            { path: ['orderId'], message: expect.any(String) },
            { path: ['total'], message: expect.any(String) },
            { path: ['items', '1', 'sku'], message: expect.any(String) },
          ],
        },
      })
    })

    test('records nothing of a batch with one bad event', async () => {
      const app = await bed().app({ events })
      const batch = [order('a'), Created({ orderId: 'a', total: Number.NaN })]
      expect(await failure(() => app.publish(batch))).toMatchObject({ code: 'invalid-data' })
      expect(await all(app.read())).toEqual([])
    })

    test('refuses data that JSON would change, with its path', async () => {
      const app = await bed().app({ events })
      const cyclic: Record<string, unknown> = {}
      cyclic.self = cyclic
      for (const value of [1n, new Date(), new Map(), Number.NaN, () => 1, cyclic, [undefined], 2 ** 60]) {
        expect(await failure(() => app.publish(Pinged({ deep: { value } })))).toMatchObject({
          code: 'unserialisable-data',
          message: expect.stringContaining('deep'),
        })
      }
      const kept = { emoji: '🛒', nul: '\0', proto: JSON.parse('{"__proto__":1}'), number: 2 ** 53 - 1 }
      await app.publish(Pinged(kept))
      expect((await all(app.read()))[0]?.data).toEqual(kept)
    })

    test('awaits an asynchronous schema, and refuses it where it cannot wait', async () => {
      const app = await bed().app({ events })
      await app.publish(Slow({ n: 1 }))
      expect(await failure(() => app.publish(Slow({ n: -1 })))).toMatchObject({ code: 'invalid-data' })
      expect(await failure(() => app.transaction((tx) => tx.publish(Slow({ n: 1 }))))).toMatchObject({
        code: 'async-schema',
      })
    })

    test('takes a stream or a key, not both', async () => {
      const app = await bed().app({ events })
      await app.publish(Pinged({}), { stream: 'ping-1' })
      await app.publish(Pinged({}), { key: 'k' })
      for (const options of [{ stream: 'ping-1', key: 'k' }] as const) {
        expect(await failure(() => app.publish(Pinged({}), options))).toMatchObject({ code: 'stream-and-key' })
      }
      expect(await failure(() => app.publish(order('a'), { key: 'k' }))).toMatchObject({ code: 'stream-and-key' })
    })

    test('refuses an event whose stream its data does not name', async () => {
      const Loose = defineEvent('loose.made', {
        schema: unchecked<{ readonly id?: string }>(),
        stream: ({ id }) => id as string,
      })
      const Throws = defineEvent('throws.made', {
        schema: unchecked<{ readonly id?: string }>(),
        stream: () => {
          throw new TypeError('no id')
        },
      })
      const app = await bed().app({ events: [Loose, Throws] })
      expect(await failure(() => app.publish(Loose({})))).toMatchObject({ code: 'invalid-name' })
      expect(await failure(() => app.publish(Loose({ id: '' })))).toMatchObject({ code: 'invalid-name' })
      expect(await failure(() => app.publish(Throws({})))).toMatchObject({ code: 'invalid-definition' })
    })
  })
})

describe('appending to several streams', () => {
  eachEngine((bed) => {
    test('records all of them, and checks without writing', async () => {
      const app = await bed().app({ events })
      await app.publish(order('checked'))
      const receipt = await app.append([
        { stream: 'order-a', events: [order('a')], expectedRevision: 'none' },
        { stream: 'ping-1', events: [Pinged({}), Pinged({})] },
        { stream: 'order-checked', events: [], expectedRevision: 1 },
      ])
      expect(receipt.streams).toEqual([
        { stream: 'order-a', revision: 1 },
        { stream: 'ping-1', revision: 2 },
      ])
    })

    test('records nothing when one check fails, and names every one that did', async () => {
      const app = await bed().app({ events })
      const error = await failure(() =>
        app.append([
          { stream: 'order-a', events: [order('a')], expectedRevision: 3 },
          { stream: 'order-b', events: [], expectedRevision: 'exists' },
          { stream: 'order-c', events: [order('c')], expectedRevision: 'none' },
        ]),
      )
      expect(error).toMatchObject({ code: 'revision-conflict' })
      expect(JSON.stringify((error as { details: unknown }).details)).toMatch(/order-a.*order-b/)
      expect(await all(app.read())).toEqual([])
    })

    test('refuses an event that names another stream, by itself or by its data', async () => {
      const app = await bed().app({ events })
      const named = Pinged({}, { stream: 'ping-2' })
      expect(await failure(() => app.append([{ stream: 'ping-1', events: [named] }]))).toMatchObject({
        code: 'invalid-option',
      })
    })
  })
})

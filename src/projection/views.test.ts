import fc from 'fast-check'
import { expect, test } from 'vitest'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { failure } from '../delivery/fixtures/until.ts'
import { type App, defineEvent, defineProjection, type FindOptions, unchecked, type View } from '../index.ts'
import { created, ORDER_EVENTS, OrderCreated, orderSummary } from './fixtures/orders.ts'

// Much is written, and the machine may be busy.

interface Item {
  readonly kind: string
  readonly size?: number | string | null
  readonly free: number
  readonly at: { readonly city: string | null }
}

const ItemPut = defineEvent('item.put', { schema: unchecked<{ readonly id: string; readonly item: Item }>() })

const Items = () =>
  defineProjection<Item>('items', { version: 1, indexes: ['kind', 'size', 'at.city'], inline: true }).on(
    ItemPut,
    (view, { data }) => view.set(data.id, data.item),
  )

const city = fc.constantFrom('Tashkent', 'Tbilisi', 'Samarkand', '', null)
const size = fc.constantFrom<number | string | null | undefined>(-2, 0, 1, 10, 2.5, '10', 'a', 'ab', null, undefined)
const item = fc
  .record({
    kind: fc.constantFrom('a', 'ab', 'b'),
    size,
    free: fc.integer({ min: 0, max: 4 }),
    at: fc.record({ city }),
  })
  .map(({ size: given, ...rest }): Item => ({ ...rest, ...(given !== undefined && { size: given }) }))
const condition = fc.oneof(
  size.filter((value) => value !== undefined),
  fc.record({ gt: fc.constantFrom(0, 'a') }),
  fc.record({ gte: fc.constantFrom(1, 'ab'), lt: fc.constantFrom(10, 'b') }),
  fc.record({ lte: fc.constantFrom(2.5, 'a') }),
  fc.record({ in: fc.array(fc.constantFrom(0, 10, '10', null), { maxLength: 3 }) }),
  fc.record({ prefix: fc.constantFrom('a', '1', '') }),
)
const search = fc.record({
  where: fc.record(
    {
      kind: fc.constantFrom<unknown>('a', 'b', { prefix: 'a' }, { in: ['b', 'ab'] }),
      size: condition,
      free: fc.constantFrom<unknown>(2, { gt: 1 }, { lt: 3 }),
      'at.city': fc.constantFrom<unknown>('Tbilisi', { prefix: 'T' }, null),
    },
    { requiredKeys: ['kind'] },
  ),
  orderBy: fc.constantFrom(undefined, 'kind', '-kind', 'size', '-size', 'free', '-free', 'at.city', '-at.city'),
  limit: fc.integer({ min: 1, max: 7 }),
})

type Search = typeof search extends fc.Arbitrary<infer Value> ? Value : never

/** What a filter over all of them finds. */
function plainly(items: readonly (readonly [string, Item])[], { where, orderBy }: Search): string[] {
  const value = (one: Item, field: string): unknown =>
    field === 'at.city' ? one.at.city : (one as unknown as Record<string, unknown>)[field]
  const rank = (one: unknown) => (one === null ? 0 : typeof one === 'number' ? 1 : 2)
  const compare = (one: unknown, other: unknown): number => {
    if (rank(one) !== rank(other)) return rank(one) - rank(other)
    if (one === other) return 0
    return (one as string) < (other as string) ? -1 : 1
  }
  const holds = (one: unknown, wanted: unknown): boolean => {
    if (one === undefined) return false
    if (typeof wanted !== 'object' || wanted === null) return one === wanted
    return Object.entries(wanted).every(([is, than]) => {
      if (is === 'in') return (than as unknown[]).includes(one)
      if (is === 'prefix') return typeof one === 'string' && one.startsWith(String(than))
      if (rank(one) !== rank(than)) return false
      const order = compare(one, than)
      return is === 'gt' ? order > 0 : is === 'gte' ? order >= 0 : is === 'lt' ? order < 0 : order <= 0
    })
  }
  const turn = orderBy?.startsWith('-') ? -1 : 1
  const field = orderBy?.replace('-', '')
  return items
    .filter(([, one]) => Object.entries(where).every(([name, wanted]) => holds(value(one, name), wanted)))
    .filter(([, one]) => field === undefined || value(one, field) !== undefined)
    .toSorted(([id, one], [otherId, other]) => {
      const order = field === undefined ? 0 : compare(value(one, field), value(other, field))
      return turn * (order || (id < otherId ? -1 : 1))
    })
    .map(([id]) => id)
}

async function inPages(view: View<Item>, { where, orderBy, limit }: Search): Promise<string[]> {
  const ids: string[] = []
  let after: string | undefined
  do {
    const options = { where, limit, after, ...(orderBy !== undefined && { orderBy }) } as FindOptions<Item>
    const page = await view.find(options)
    expect(page.documents).toHaveLength(page.ids.length)
    expect(page.ids.length).toBeLessThanOrEqual(limit)
    ids.push(...page.ids)
    after = page.after
  } while (after !== undefined)
  return ids
}

eachEngine((bed) => {
  test('finds, page by page, and counts what a filter over all documents finds', async () => {
    const app = (await bed().app({ events: [ItemPut] })) as unknown as App
    const projection = Items()
    app.project(projection)
    const items = new Map<string, Item>()
    const generated = fc.sample(item, { numRuns: 60, seed: 7 })
    for (const [n, one] of generated.entries()) items.set(`i${n}`, one)
    await app.publish([...items].map(([id, one]) => ItemPut({ id, item: one })))
    const view = app.view(projection)
    await fc.assert(
      fc.asyncProperty(search, async (wanted) => {
        const expected = plainly([...items], wanted)
        expect(await inPages(view, wanted)).toEqual(expected)
        const unordered = plainly([...items], { ...wanted, orderBy: undefined })
        expect(await view.count({ where: wanted.where } as Parameters<typeof view.count>[0])).toBe(unordered.length)
      }),
      { numRuns: 60 },
    )
  })

  test('texts that are longer than what stands in an index are told apart by all of it', async () => {
    const app = (await bed().app({ events: [ItemPut] })) as unknown as App
    const projection = Items()
    app.project(projection)
    const kinds = [296, 297, 298, 299, 300, 301, 302, 350].flatMap((length) => {
      const text = 'a'.repeat(length)
      return [text, `${text}b`, `${text}\u{1f600}`, `${text}\u{1f601}`]
    })
    const items = new Map(
      [...new Set(kinds)].map((kind, n) => [`i${n}`, { kind, free: 1, at: { city: null } }] as const),
    )
    await app.publish([...items].map(([id, one]) => ItemPut({ id, item: one })))
    const view = app.view(projection)
    const bytes = (text: string) => Buffer.from(text)
    for (const kind of kinds) {
      const order = (one: string) => Buffer.compare(bytes(one), bytes(kind))
      const conditions: [NonNullable<FindOptions<Item>['where']>['kind'], (one: string) => boolean][] = [
        [kind, (one) => one === kind],
        [{ in: [kind, 'x'] }, (one) => one === kind],
        [{ prefix: kind }, (one) => one.startsWith(kind)],
        [{ gt: kind }, (one) => order(one) > 0],
        [{ gte: kind }, (one) => order(one) >= 0],
        [{ lt: kind }, (one) => order(one) < 0],
        [{ lte: kind }, (one) => order(one) <= 0],
      ]
      for (const [condition, holds] of conditions) {
        if (condition === undefined) continue
        const expected = [...items].filter(([, one]) => holds(one.kind)).map(([id]) => id)
        const { ids } = await view.find({ where: { kind: condition } })
        expect(new Set(ids), JSON.stringify(condition)).toEqual(new Set(expected))
        expect(await view.count({ where: { kind: condition } })).toBe(expected.length)
      }
    }
  })

  test('refuses what would read every document, and says what to declare', async () => {
    const app = await bed().app({ events: [ItemPut] })
    const projection = Items()
    app.project(projection)
    await app.publish(ItemPut({ id: 'i', item: { kind: 'a', free: 1, at: { city: null } } }))
    const view = app.view(projection)
    for (const refused of [
      () => view.find({ where: { free: 1 } }),
      () => view.find({ orderBy: '-free', limit: 5 }),
      () => view.count({ where: { free: { gt: 0 } } }),
    ]) {
      expect(await failure(refused)).toMatchObject({ code: 'index-missing', details: { fields: ['free'] } })
    }
    expect((await view.find({ where: { free: 1 }, orderBy: 'kind' })).ids).toEqual(['i'])
    expect((await view.find()).ids).toEqual(['i'])
  })

  test('says what is wrong with a search', async () => {
    const app = await bed().app({ events: [ItemPut] })
    const projection = Items()
    app.project(projection)
    await app.publish([
      ItemPut({ id: 'i', item: { kind: 'a', free: 1, at: { city: null } } }),
      ItemPut({ id: 'j', item: { kind: 'a', free: 1, at: { city: null } } }),
    ])
    const view = app.view(projection)
    const { after } = await view.find({ limit: 1 })
    const wrong: [unknown, string][] = [
      [{ limit: 0 }, 'limit'],
      [{ limit: 10_001 }, 'limit'],
      [{ where: { kind: { above: 1 } } }, 'where.kind'],
      [{ where: { kind: {} } }, 'where.kind'],
      [{ where: { kind: undefined } }, 'where.kind'],
      [{ where: { kind: { gte: undefined } } }, 'where.kind.gte'],
      [{ where: { kind: { in: ['a', undefined] } } }, 'where.kind.in'],
      [{ where: { kind: { in: 'a' } } }, 'where.kind.in'],
      [{ where: { kind: ['a'] } }, 'where.kind'],
      [{ where: 'a' }, 'where'],
      [{ orderBy: '-' }, 'orderBy'],
      [{ after: 'x' }, 'after'],
      [{ after, orderBy: 'kind' }, 'after'],
      [{ where: { kind: 'a' }, orderBy: 'free' }, 'limit'],
    ]
    for (const [options, option] of wrong) {
      const error = await failure(() => view.find(options as FindOptions<Item>))
      expect(error, JSON.stringify(options)).toMatchObject({ code: 'invalid-option', details: { option } })
    }
  })

  test('with a receipt a view is waited for, and never read before it has the events', async () => {
    const shared = bed()
    const app = await shared.app({ events: ORDER_EVENTS })
    const Orders = orderSummary()
    app.project(Orders)
    const other = await shared.app({ events: ORDER_EVENTS })
    await app.start()
    for (let n = 0; n < 30; n++) {
      const receipt = await other.publish(created(n))
      expect(await other.view(Orders, { after: receipt }).get(`o${n}`)).toMatchObject({ total: n })
    }
    await app.stop()
    const late = await other.publish(created(100))
    expect(await failure(() => other.view(Orders, { after: late, timeout: 60 }).get('o100'))).toMatchObject({
      code: 'timeout',
      details: { view: 'order-summary@1' },
    })
    expect(await other.view(Orders).get('o100')).toBeUndefined()
  })

  test('a receipt of events that the view does not take in is not waited for', async () => {
    const app = await bed().app({ events: [...ORDER_EVENTS, ItemPut] })
    const Orders = orderSummary()
    app.project(Orders)
    await app.start()
    await app.services.pause('projection:order-summary@1')
    const receipt = await app.publish(ItemPut({ id: 'i', item: { kind: 'a', free: 1, at: { city: null } } }))
    expect(await app.view(Orders, { after: receipt, timeout: 5_000 }).count()).toBe(0)
  })

  test('a view that nobody builds, or that has not taken in the log yet, is not shown in part', async () => {
    const shared = bed()
    const app = await shared.app({ events: ORDER_EVENTS })
    const Orders = orderSummary()
    await app.publish(Array.from({ length: 3_000 }, (_, n) => created(n)))
    expect(await failure(() => app.view(Orders, { timeout: 30 }).count())).toMatchObject({
      code: 'view-building',
      message: expect.stringContaining('no program has begun'),
    })
    const builder = await shared.app({ events: ORDER_EVENTS })
    builder.project(Orders)
    const [count] = await Promise.all([app.view(Orders, { timeout: '30s' }).count(), builder.start()])
    expect(count).toBe(3_000)
  })

  test('documents are encoded by the codec, and found by their plain keys', async () => {
    const shared = bed()
    const codec = {
      name: 'reversed',
      encode: async (text: string) => [...text].reverse().join(''),
      decode: async (text: string) => [...text].reverse().join(''),
    }
    const app = await shared.app({ events: ORDER_EVENTS, codec })
    const Orders = orderSummary()
    app.project(Orders)
    await app.start()
    const receipt = await app.publish([created(1), created(2)])
    expect(await app.view(Orders, { after: receipt }).find({ where: { userId: 'u2' } })).toMatchObject({
      documents: [{ orderId: 'o2', total: 2 }],
    })
    const plain = await shared.app({ events: ORDER_EVENTS })
    expect(await failure(() => plain.view(Orders).get('o1'))).toMatchObject({ code: 'capability-missing' })
  })

  test('two versions of a projection are built side by side; each program reads its own', async () => {
    const shared = bed()
    const old = await shared.app({ events: ORDER_EVENTS })
    const V1 = orderSummary()
    old.project(V1)
    await old.start()
    await old.publish([created(1), created(2)])
    await old.settled()
    const doubled = () =>
      defineProjection<{ twice: number }>('order-summary', { version: 2 }).on(OrderCreated, (view, { data }) =>
        view.set(data.orderId, { twice: data.total * 2 }),
      )
    const V2 = doubled()
    const app = await shared.app({ events: ORDER_EVENTS })
    app.project(V2)
    await app.start()
    const receipt = await app.publish(created(3))
    expect(await app.view(V2, { after: receipt }).get('o3')).toEqual({ twice: 6 })
    expect(await app.view(V2).get('o1')).toEqual({ twice: 2 })
    expect(await old.view(V1, { after: receipt }).get('o3')).toMatchObject({ total: 3 })
    const states = (await app.projections.list()).map(({ version, state, documents }) => [version, state, documents])
    expect(states).toEqual([
      [1, 'running', 3],
      [2, 'running', 3],
    ])
    await old.stop()
    await app.settled() // version 1 is nobody's any more
    await app.projections.drop('order-summary', 1)
    const back = await shared.app({ events: ORDER_EVENTS })
    back.project(orderSummary())
    expect(await failure(() => back.start())).toMatchObject({ code: 'projection-superseded' })
    const strict = await shared.app({ events: ORDER_EVENTS })
    strict.project(
      defineProjection<object>('order-summary', { version: 3, onVersionChange: 'refuse' }).on(
        OrderCreated,
        () => undefined,
      ),
    )
    expect(await failure(() => strict.start())).toMatchObject({ code: 'projection-not-built' })
  })

  test('a projection that takes in other events under the same version is refused', async () => {
    const shared = bed()
    const app = await shared.app({ events: ORDER_EVENTS })
    app.project(orderSummary())
    await app.start()
    await app.stop()
    const changed = await shared.app({ events: ORDER_EVENTS })
    changed.project(defineProjection<object>('order-summary', { version: 1 }).on(OrderCreated, () => undefined))
    expect(await failure(() => changed.start())).toMatchObject({ code: 'projection-changed' })
  })
})

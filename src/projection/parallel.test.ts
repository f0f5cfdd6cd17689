import { expect, test } from 'vitest'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { failure, until } from '../delivery/fixtures/until.ts'
import { type App, defineEvent, defineProjection, splitInto, unchecked } from '../index.ts'

// Much is written, and the machine may be busy.

/** Of an order, about a product: other keys than that of the stream. */
const ItemSold = defineEvent('item.sold', {
  schema: unchecked<{ readonly orderId: string; readonly sku: string; readonly n: number }>(),
  stream: ({ orderId }) => orderId,
})

interface Sold {
  readonly count: number
  readonly last: number
  readonly disorder: number
}

/** Counts the sales of each product; `by` remembers which instance did. */
function sold(by?: () => void, failing: { at: number } = { at: -1 }) {
  return defineProjection<Sold>('sold', {
    version: 1,
    partition: ({ data }) => (data as { sku: string }).sku,
  }).on(ItemSold, (view, { data }) => {
    if (data.n === failing.at) throw new Error('it fails')
    by?.()
    view.upsert(data.sku, (before) => ({
      count: (before?.count ?? 0) + 1,
      last: data.n,
      disorder: (before?.disorder ?? 0) + (before !== undefined && before.last > data.n ? 1 : 0),
    }))
  })
}

const PRODUCTS = 40

function sales(count: number, first = 0) {
  return Array.from({ length: count }, (_, index) => {
    const n = first + index
    return ItemSold({ orderId: `o${n % 7}`, sku: `s${(n * 31) % PRODUCTS}`, n })
  })
}

async function total(app: App): Promise<{ readonly count: number; readonly disorder: number }> {
  const { documents } = await app.view(sold()).find({ limit: 100 })
  return {
    count: documents.reduce((sum, { count }) => sum + count, 0),
    disorder: documents.reduce((sum, { disorder }) => sum + disorder, 0),
  }
}

eachEngine((bed) => {
  test('documents are built by all instances in parallel, each in the order of the log, every event once', async () => {
    const shared = bed()
    const outside = (await shared.app({ events: [ItemSold] })) as unknown as App
    const counts = [0, 0, 0]
    const join = async (index: number) => {
      const app = (await shared.app({ events: [ItemSold] })) as unknown as App
      app.project(
        sold(() => {
          counts[index] = (counts[index] ?? 0) + 1
        }),
      )
      await app.start()
      return app
    }
    let next = 0
    const publish = async (batches: number) => {
      for (let batch = 0; batch < batches; batch++) {
        await outside.publish(sales(40, next))
        next += 40
      }
    }
    const one = await join(0)
    await Promise.all([publish(10), join(1)])
    await until(async () => {
      await publish(1)
      await outside.settled()
      return (counts[0] ?? 0) > 0 && (counts[1] ?? 0) > 0
    })
    await Promise.all([publish(10), one.stop(), join(2)])
    const receipt = await outside.publish(sales(1, next++))
    expect(await outside.view(sold(), { after: receipt, timeout: '30s' }).count()).toBe(PRODUCTS)
    await outside.settled()
    expect(await total(outside)).toEqual({ count: next, disorder: 0 })
    expect(await outside.projections.verify(sold())).toMatchObject({ differences: 0 })
  })

  test('a rebuild takes its place while it runs', async () => {
    const shared = bed()
    const app = (await shared.app({ events: [ItemSold] })) as unknown as App
    app.project(sold())
    await app.start()
    let [next, over] = [0, false]
    const publishing = (async () => {
      while (!over) {
        await app.publish(sales(10, next))
        next += 10
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    const operator = (await shared.app({ events: [ItemSold] })) as unknown as App
    for (let round = 1; round <= 3; round++) {
      await until(() => next > round * 100)
      await operator.projections.rebuild(sold())
    }
    over = true
    await publishing
    await app.settled()
    expect(await total(app)).toEqual({ count: next, disorder: 0 })
  })

  test('a failing event stops it, and nothing is passed over', async () => {
    const failing = { at: 5 }
    const app = (await bed().app({ events: [ItemSold] })) as unknown as App
    const Sold = sold(undefined, failing)
    app.project(Sold)
    await app.start()
    const receipt = await app.publish(sales(20))
    await until(async () => (await app.projections.list())[0]?.blocked?.event.position === 6)
    await until(async () => (await app.projections.list())[0]?.position === 5)
    failing.at = -1
    expect((await app.view(Sold, { after: receipt, timeout: '30s' }).get('s35'))?.count).toBe(1)
    await until(async () => (await app.projections.list())[0]?.state === 'running')
    expect(await total(app)).toEqual({ count: 20, disorder: 0 })
  })

  test('a handler that touches another document is told so', async () => {
    const app = (await bed().app({ events: [ItemSold] })) as unknown as App
    const Wrong = defineProjection<{ n: number }>('wrong', { version: 1, partition: () => 'one' }).on(
      ItemSold,
      (view, { data }) => view.set('other', { n: data.n }),
    )
    app.project(Wrong)
    await app.start()
    const receipt = await app.publish(sales(1))
    expect(await failure(() => app.view(Wrong, { after: receipt, timeout: '30s' }).count())).toMatchObject({
      code: 'view-blocked',
      message: expect.stringContaining('touched document other, and partition gave one'),
    })
  })

  test('an event that was split over two documents stops it, for they would be in two lanes', async () => {
    const Added = defineEvent('item.added', { schema: unchecked<{ readonly sku: string }>() })
    const Both = defineEvent('items.swapped', { schema: unchecked<{ readonly skus: readonly [string, string] }>() })
    const Swapped = defineEvent('items.swapped', {
      version: 2,
      schema: unchecked<{ readonly sku: string }>(),
      upcast: {
        1: ({ skus: [one, other] }: { skus: readonly [string, string] }) =>
          splitInto({ sku: one }, Added({ sku: other })),
      },
    })
    const shared = bed()
    const old = await shared.app({ events: [Both] })
    const swapped = (by: 'sku' | 'all') =>
      defineProjection<{ n: number }>(`swapped-${by}`, {
        version: 1,
        partition: ({ data }) => (by === 'all' ? by : (data as { sku: string }).sku),
      }).on([Swapped, Added], (view, { data }) =>
        view.upsert(by === 'all' ? by : data.sku, (before) => ({ n: (before?.n ?? 0) + 1 })),
      )
    const after = await old.publish([Both({ skus: ['a', 'a'] }), Both({ skus: ['a', 'b'] })])
    const app = (await shared.app({ events: [Swapped, Added] })) as unknown as App
    const [Wrong, Right] = [swapped('sku'), swapped('all')]
    app.project(Wrong)
    app.project(Right)
    await app.start()
    expect(await app.view(Right, { after, timeout: '30s' }).get('all')).toEqual({ n: 4 })
    expect(await failure(() => app.view(Wrong, { after, timeout: '30s' }).get('a'))).toMatchObject({
      code: 'view-blocked',
      message: expect.stringContaining('was split, and partition gave a and b'),
    })
  })
})

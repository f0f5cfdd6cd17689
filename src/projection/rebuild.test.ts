import { expect, test } from 'vitest'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { withFaults } from '../delivery/fixtures/faults.ts'
import { failure, until } from '../delivery/fixtures/until.ts'
import { defineProjection, type RebuildProgress, type ViewDifference } from '../index.ts'
import { fakeClock } from '../testing/index.ts'
import { created, ORDER_EVENTS, OrderCancelled, OrderCreated, orderSummary, type Summary } from './fixtures/orders.ts'

/** The same projection, with a handler that was wrong. */
function wrongSummary(options: { readonly version?: number; readonly inline?: boolean } = {}) {
  return defineProjection<Summary>('order-summary', { version: 1, indexes: ['userId', 'status'], ...options })
    .on(OrderCreated, (view, { data }) => view.set(data.orderId, { ...data, total: -1, status: 'open' }))
    .on(OrderCancelled, (view, { data }) => view.delete(data.orderId))
}

function orders(count: number, first = 0) {
  return Array.from({ length: count }, (_, n) => created(first + n))
}

// Much is written, and the machine may be busy.

eachEngine((bed) => {
  test('a rebuilt view is what the corrected handlers make of the log; the old one stands until then', async () => {
    const shared = bed()
    const before = await shared.app({ events: ORDER_EVENTS })
    const Wrong = wrongSummary()
    before.project(Wrong)
    await before.start()
    const receipt = await before.publish([...orders(5), OrderCancelled({ orderId: 'o1' })])
    expect((await before.view(Wrong, { after: receipt }).get('o2'))?.total).toBe(-1)
    const operator = await shared.app({ events: ORDER_EVENTS })
    const Right = orderSummary()
    const differences: ViewDifference[] = []
    const result = await operator.projections.rebuild(Right, {
      onDifference: async (difference) => {
        differences.push(difference)
        expect((await operator.view(Right).get('o2'))?.total).toBe(-1)
      },
    })
    expect(result).toEqual({ events: 6, documents: 5, differences: 5 })
    expect(differences.find(({ id }) => id === 'o1')).toEqual({
      id: 'o1',
      after: { orderId: 'o1', userId: 'u1', total: 1, status: 'cancelled' },
    })
    expect((await before.view(Wrong).get('o2'))?.total).toBe(2)
    expect(await operator.projections.verify(Right)).toMatchObject({ differences: 0, documents: 5 })
  })

  test('verify tells what differs, and changes nothing', async () => {
    const app = await bed().app({ events: ORDER_EVENTS })
    const Wrong = wrongSummary()
    app.project(Wrong)
    await app.start()
    await app.publish(orders(3))
    await app.settled()
    const found: string[] = []
    const options = { onDifference: ({ id }: ViewDifference) => void found.push(id) }
    expect(await app.projections.verify(orderSummary(), options)).toEqual({ events: 3, documents: 3, differences: 3 })
    expect(found).toEqual(['o0', 'o1', 'o2'])
    expect((await app.view(Wrong).get('o2'))?.total).toBe(-1)
  })

  test('appends go on beside a rebuild: readers see the old view, then the new one, and nothing is missed', async () => {
    const shared = bed()
    const running = await shared.app({ events: ORDER_EVENTS })
    const Orders = orderSummary()
    running.project(Orders)
    await running.start()
    await running.publish(orders(1_500))
    await running.settled()
    const publisher = await shared.app({ events: ORDER_EVENTS })
    let [next, over] = [1_500, false]
    const publishing = (async () => {
      while (!over) {
        await publisher.publish(created(next++))
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    const reading = (async () => {
      while (!over) {
        const count = await running.view(Orders).count()
        expect(count).toBeGreaterThanOrEqual(1_500)
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    const operator = await shared.app({ events: ORDER_EVENTS })
    for (let round = 0; round < 3; round++) await operator.projections.rebuild(orderSummary())
    over = true
    await Promise.all([publishing, reading])
    await running.settled()
    expect(await running.view(Orders).count()).toBe(next)
    expect(await operator.projections.verify(orderSummary())).toMatchObject({ differences: 0 })
  })

  test('a rebuild that was killed is gone on with by the next, wherever it stood', async () => {
    const shared = bed()
    const app = await shared.app({ events: ORDER_EVENTS })
    const Wrong = wrongSummary()
    app.project(Wrong)
    await app.start()
    await app.publish(orders(3_500))
    await app.settled()
    const progress: RebuildProgress[] = []
    for (let writes = 1; ; writes++) {
      let left = writes
      const dying = await shared.app({ events: ORDER_EVENTS }, (store) =>
        withFaults(store, (method) => {
          if (!['transaction', 'documents.write', 'documents.define', 'documents.drop'].includes(method))
            return undefined
          return left-- > 0 ? undefined : new Error('killed')
        }),
      )
      const options = { onProgress: (one: RebuildProgress) => void progress.push(one) }
      const error = await dying.projections.rebuild(orderSummary(), options).catch((reason) => reason)
      if (!(error instanceof Error)) break
      expect(error.message).toContain('killed')
    }
    const view = app.view(orderSummary())
    expect((await view.get('o3499'))?.total).toBe(3_499)
    expect(await view.count()).toBe(3_500)
    expect(progress.some(({ position, events }) => position > 1_000 && events === 0)).toBe(true)
    expect(progress.at(-1)).toMatchObject({ position: 3_500, head: 3_500 })
  })

  test('an event that the handlers fail at stops a rebuild, and the live view stays', async () => {
    const app = await bed().app({ events: ORDER_EVENTS })
    const Orders = orderSummary()
    app.project(Orders)
    await app.start()
    await app.publish(orders(30))
    await app.settled()
    const poisoned = defineProjection<Summary>('order-summary', { version: 1, indexes: ['userId', 'status'] })
      .on(OrderCreated, (view, { data }) => {
        if (data.total === 17) throw new Error('seventeen')
        view.set(data.orderId, { ...data, total: -1, status: 'open' })
      })
      .on(OrderCancelled, () => undefined)
    const error = await failure(() => app.projections.rebuild(poisoned))
    expect(error).toMatchObject({
      code: 'rebuild-failed',
      details: { event: { type: 'order.created', position: 18 } },
      message: expect.stringContaining('seventeen'),
    })
    expect((await app.view(Orders).get('o20'))?.total).toBe(20)
    expect(await app.projections.list()).toMatchObject([{ state: 'running', rebuild: { position: 17 } }])
    // What the other handlers have made is none of its own.
    expect(await app.projections.rebuild(Orders)).toMatchObject({ events: 30 })
    expect((await app.view(Orders).get('o3'))?.total).toBe(3)
    expect(await app.projections.verify(Orders)).toMatchObject({ differences: 0 })
  })

  test('a rebuild that was ended is begun anew where that is asked for', async () => {
    const app = await bed().app({ events: ORDER_EVENTS })
    const Orders = orderSummary()
    await app.publish(orders(2_000))
    for (const [fresh, events] of [
      [false, 1_000],
      [true, 2_000],
    ] as const) {
      const ending = new AbortController()
      const onProgress = ({ position }: RebuildProgress) => {
        if (position >= 1_000) ending.abort()
      }
      await failure(() => app.projections.rebuild(Orders, { onProgress, signal: ending.signal, fresh: true }))
      expect(await app.projections.rebuild(Orders, { fresh })).toMatchObject({ events })
    }
  })

  test('a program that starts to build the view beside the first rebuild of it does not spoil it', async () => {
    const app = await bed().app({ events: ORDER_EVENTS })
    await app.publish(orders(3_000))
    const counter = () =>
      defineProjection<{ readonly n: number }>('counter', { version: 1 }).on(OrderCreated, (view) =>
        view.upsert('all', (before) => ({ n: (before?.n ?? 0) + 1 })),
      )
    const Counter = counter()
    app.project(Counter)
    let started: Promise<void> | undefined
    await app.projections.rebuild(counter(), {
      onProgress: ({ position }) => {
        if (position >= 1_000) started ??= app.start()
      },
    })
    await started
    await app.publish(created(3_000))
    await app.settled()
    expect(await app.view(Counter).get('all')).toEqual({ n: 3_001 })
    expect(await app.projections.verify(counter())).toMatchObject({ differences: 0 })
  })

  test('what a rebuild has left behind that never came to its end is in no view', async () => {
    const app = await bed().app({ events: ORDER_EVENTS })
    await app.publish([...orders(5), ...orders(1)])
    const counting = (failAt: number) =>
      defineProjection<{ n: number }>('count', { version: 1 }).on(OrderCreated, (view, { data }) => {
        if (data.total === failAt) throw new Error('it fails')
        view.upsert('all', (before) => ({ n: (before?.n ?? 0) + 1 }))
      })
    expect(await failure(() => app.projections.rebuild(counting(4)))).toMatchObject({ code: 'rebuild-failed' })
    const Count = counting(-1)
    app.project(Count)
    await app.start()
    expect(await app.view(Count).get('all')).toEqual({ n: 6 })
    expect(await app.projections.rebuild(Count)).toMatchObject({ events: 2 })
    expect(await app.view(Count).get('all')).toEqual({ n: 6 })
  })

  test('of two runs of a rebuild the later one goes on', async () => {
    const shared = bed()
    const app = await shared.app({ events: ORDER_EVENTS })
    await app.publish(orders(3_000))
    let second: Promise<unknown> | undefined
    const first = app.projections.rebuild(orderSummary(), {
      onProgress: ({ position }) => {
        if (position >= 1_000) second ??= app.projections.rebuild(orderSummary())
      },
    })
    expect(await failure(() => first)).toMatchObject({ code: 'rebuild-taken-over' })
    await second
    expect(await app.view(orderSummary()).count()).toBe(3_000)
  })

  test('an inline projection is built on what stands in the log, and takes over without a gap', async () => {
    const shared = bed()
    const old = await shared.app({ events: ORDER_EVENTS })
    await old.publish(orders(1_200))
    const Orders = orderSummary({ inline: true })
    const operator = await shared.app({ events: ORDER_EVENTS })
    expect(await operator.projections.rebuild(Orders)).toMatchObject({ events: 1_200, documents: 1_200 })
    expect(await failure(() => old.publish(created(1_200)))).toMatchObject({ code: 'inline-missing' })
    const writer = await shared.app({ events: ORDER_EVENTS })
    writer.project(Orders)
    await writer.publish(created(1_200))
    expect(await writer.view(Orders).count()).toBe(1_201)
  })

  test('writers of an inline projection go on through a rebuild of it', async () => {
    const shared = bed()
    const writer = await shared.app({ events: ORDER_EVENTS })
    const Orders = orderSummary({ inline: true })
    writer.project(Orders)
    let [next, over] = [0, false]
    const publishing = (async () => {
      while (!over) {
        await writer.publish(created(next++))
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    const operator = await shared.app({ events: ORDER_EVENTS })
    for (let round = 1; round <= 5; round++) {
      await until(() => next > round * 20)
      await operator.projections.rebuild(orderSummary({ inline: true }))
    }
    over = true
    await publishing
    expect(await writer.view(Orders).count()).toBe(next)
    expect(await operator.projections.verify(orderSummary({ inline: true }))).toMatchObject({ differences: 0 })
  })

  test('a rebuild of an inline projection that dies in its last steps holds writers up for a while, and not for ever', async () => {
    const shared = bed()
    const clock = fakeClock()
    const writer = await shared.app({ events: ORDER_EVENTS, clock })
    const Orders = orderSummary({ inline: true })
    writer.project(Orders)
    await writer.publish(orders(5))
    for (let steps = 1; ; steps++) {
      let left = steps
      const dying = await shared.app({ events: ORDER_EVENTS }, (store) =>
        withFaults(store, (method) => {
          if (method !== 'inline' && method !== 'transaction') return undefined
          return left-- > 0 ? undefined : new Error('killed')
        }),
      )
      const died = await dying.projections.rebuild(orderSummary({ inline: true })).catch((reason) => reason)
      const before = await writer.view(Orders).count()
      const publishing = settledState(writer.publish(created(100 + steps)))
      await until(async () => {
        await clock.advance(1_000)
        return publishing.over
      })
      if (publishing.error !== undefined) {
        // It waited as long as one write may: by the next one the dead rebuild is known for what it is.
        expect(publishing.error).toMatchObject({ code: 'inline-missing' })
        await clock.advance(30_000)
        const again = settledState(writer.publish(created(100 + steps)))
        await until(async () => {
          await clock.advance(100)
          return again.over
        })
        expect(again.error).toBeUndefined()
      }
      expect(await writer.view(Orders).count()).toBe(before + 1)
      if (!(died instanceof Error)) break
    }
    const operator = await shared.app({ events: ORDER_EVENTS })
    expect(await operator.projections.verify(orderSummary({ inline: true }))).toMatchObject({ differences: 0 })
  })
})

interface Settled {
  over: boolean
  error: unknown
}

function settledState(promise: Promise<unknown>): Settled {
  const state: Settled = { over: false, error: undefined }
  promise
    .catch((error) => {
      state.error = error
    })
    .finally(() => {
      state.over = true
    })
  return state
}

import { expect, test } from 'vitest'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { defineProjection, type Receipt } from '../index.ts'
import { created, ORDER_EVENTS, OrderCancelled, OrderCreated, orderSummary } from './fixtures/orders.ts'

eachEngine((bed) => {
  test('builds documents from events', async () => {
    const app = await bed().app({ events: ORDER_EVENTS })
    const Orders = orderSummary()
    app.project(Orders)
    await app.start()
    await app.publish([created(1), created(2)])
    const receipt = await app.publish(OrderCancelled({ orderId: 'o1' }))
    const view = app.view(Orders, { after: receipt })
    expect(await view.get('o1')).toEqual({ orderId: 'o1', userId: 'u1', total: 1, status: 'cancelled' })
    expect([...(await view.getMany(['o2', 'o3'])).keys()]).toEqual(['o2'])
    expect(await view.count()).toBe(2)
  })

  test('finds by what is declared, and filters and orders by what is not', async () => {
    const app = await bed().app({ events: ORDER_EVENTS })
    const Orders = orderSummary()
    app.project(Orders)
    await app.start()
    const receipt = await app.publish(Array.from({ length: 60 }, (_, n) => created(n)))
    const view = app.view(Orders, { after: receipt })
    const page = await view.find({ where: { userId: 'u1', total: { gt: 10 } }, orderBy: '-total', limit: 5 })
    expect(page.ids).toEqual(['o58', 'o55', 'o52', 'o49', 'o46'])
    const next = await view.find({
      where: { userId: 'u1', total: { gt: 10 } },
      orderBy: '-total',
      limit: 5,
      after: page.after,
    })
    expect(next.ids).toEqual(['o43', 'o40', 'o37', 'o34', 'o31'])
  })

  test('goes on where it was when it starts again, and takes in what was published meanwhile', async () => {
    const shared = bed()
    const counter = () =>
      defineProjection<{ count: number }>('counter', { version: 1 }).on(OrderCreated, (view) =>
        view.upsert('all', (before) => ({ count: (before?.count ?? 0) + 1 })),
      )
    const outside = await shared.app({ events: ORDER_EVENTS })
    let receipt: Receipt | undefined
    for (let round = 0; round < 3; round++) {
      receipt = await outside.publish(Array.from({ length: 700 }, (_, n) => created(round * 700 + n)))
      const app = await shared.app({ events: ORDER_EVENTS })
      const Counter = counter()
      app.project(Counter)
      await app.start()
      expect(await app.view(Counter, { after: receipt }).get('all')).toEqual({ count: (round + 1) * 700 })
      await app.stop()
    }
  })
})

import { expect, test } from 'vitest'
import { z } from 'zod'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { failure } from '../delivery/fixtures/until.ts'
import { defineQuery } from '../index.ts'
import { created, ORDER_EVENTS, orderSummary } from './fixtures/orders.ts'

eachEngine((bed) => {
  test('a query reads views with checked input', async () => {
    const app = await bed().app({ events: ORDER_EVENTS })
    const Orders = orderSummary({ inline: true })
    app.project(Orders)
    await app.publish([created(1), created(2), created(4)])
    const OrdersOf = defineQuery('orders-of', {
      input: z.object({ userId: z.string(), limit: z.number().default(10) }),
      handler: async ({ userId, limit }, { view }) => (await view(Orders).find({ where: { userId }, limit })).ids,
    })
    expect(await app.query(OrdersOf, { userId: 'u1' })).toEqual(['o1', 'o4'])
    expect(await app.query(OrdersOf, { userId: 'u1', limit: 1 })).toEqual(['o1'])
    const wrong = { userId: 1 } as unknown as { userId: string }
    expect(await failure(() => app.query(OrdersOf, wrong))).toMatchObject({
      code: 'invalid-data',
      details: { query: 'orders-of', issues: [{ path: ['userId'] }] },
    })
    const Count = defineQuery('count', { handler: (_, { view }) => view(Orders).count() })
    expect(await app.query(Count)).toBe(3)
    await app.stop()
    expect(await failure(() => app.query(Count))).toMatchObject({ code: 'app-stopped' })
  })
})

test('says what is wrong with a query', () => {
  expect(() => defineQuery('a b', { handler: () => 1 })).toThrow(/name of a query/)
  expect(() => defineQuery('a', { handler: 1 as never })).toThrow(/handler/)
  expect(() => defineQuery('a', { input: {} as never, handler: () => 1 })).toThrow(/Standard Schema/)
})

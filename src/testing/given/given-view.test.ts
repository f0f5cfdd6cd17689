import { AssertionError } from 'node:assert'
import { expect, test } from 'vitest'
import { failure } from '../../delivery/fixtures/until.ts'
import { defineProjection } from '../../index.ts'
import { created, OrderCancelled, OrderCreated, orderSummary } from '../../projection/fixtures/orders.ts'
import { given } from '../index.ts'

test('what a projection makes of events is compared, or handed out', async () => {
  const history = given([created(1), created(2), OrderCancelled({ orderId: 'o1' })])
  const view = history.view(orderSummary())
  await view.then({
    o1: { orderId: 'o1', userId: 'u1', total: 1, status: 'cancelled' },
    o2: { orderId: 'o2', userId: 'u2', total: 2, status: 'open' },
  })
  expect(Object.keys(await view.documents())).toEqual(['o1', 'o2'])
  await given([]).view(orderSummary()).then({})
})

test('what is otherwise fails with a diff', async () => {
  const view = given([created(1)]).view(orderSummary())
  const error = await failure(() => view.then({}))
  expect(error).toBeInstanceOf(AssertionError)
  expect((error as AssertionError).message).toMatch(/view order-summary[\s\S]*o1/)
})

test('a document that JSON cannot carry is refused, as a store would', async () => {
  const Dates = defineProjection<{ at: unknown }>('dates', { version: 1 }).on(OrderCreated, (view, { timestamp }) =>
    view.set('one', { at: new Date(timestamp) }),
  )
  expect(
    await failure(() =>
      given([created(1)])
        .view(Dates)
        .documents(),
    ),
  ).toMatchObject({ code: 'unserialisable-data' })
})

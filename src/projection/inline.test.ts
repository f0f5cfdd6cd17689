import { expect, test } from 'vitest'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { failure } from '../delivery/fixtures/until.ts'
import { defineProjection } from '../index.ts'
import { created, ORDER_EVENTS, OrderCancelled, OrderCreated, orderSummary } from './fixtures/orders.ts'

eachEngine((bed) => {
  test('an inline projection is written with whatever records its events', async () => {
    const app = await bed().app({ events: ORDER_EVENTS })
    const Orders = orderSummary({ inline: true })
    app.project(Orders)
    app.service('copies', { from: 'start' }).on(OrderCancelled, (event, ctx) => {
      ctx.publish(created(100 + Number(event.data.orderId.slice(1))))
    })
    app
      .service('commits', { from: 'start' })
      .on(OrderCancelled, (event, ctx) =>
        ctx.commit((tx) => tx.publish(created(200 + Number(event.data.orderId.slice(1))))),
      )
    await app.publish(created(1))
    expect((await app.view(Orders).get('o1'))?.status).toBe('open')
    await app.append([{ stream: 'order-o2', events: [created(2)] }])
    await app.transaction((tx) => tx.publish(created(3)))
    await app.start()
    await app.publish(OrderCancelled({ orderId: 'o1' }))
    expect((await app.view(Orders).get('o1'))?.status).toBe('cancelled')
    await app.settled()
    expect((await app.view(Orders).find()).ids).toEqual(['o1', 'o101', 'o2', 'o201', 'o3'])
  })

  test('a handler that throws refuses the append', async () => {
    const app = await bed().app({ events: ORDER_EVENTS })
    const Strict = defineProjection<{ n: number }>('strict', { version: 1, inline: true }).on(
      OrderCreated,
      (view, { data }) => {
        if (data.total > 1) throw new Error('too much')
        view.set(data.orderId, { n: data.total })
      },
    )
    app.project(Strict)
    await app.publish(created(1))
    expect(await failure(() => app.publish(created(2)))).toMatchObject({ message: 'too much' })
    expect(await app.view(Strict).count()).toBe(1)
    const kept = []
    for await (const event of app.read({ types: 'order.*' })) kept.push(event)
    expect(kept).toHaveLength(1)
  })

  test('a writer without the projection is refused its events, and nothing else', async () => {
    const shared = bed()
    const app = await shared.app({ events: ORDER_EVENTS })
    app.project(orderSummary({ inline: true }))
    await app.publish(created(1))
    const other = await shared.app({ events: ORDER_EVENTS })
    expect(await failure(() => other.publish(created(2)))).toMatchObject({ code: 'inline-missing' })
  })

  test('is not begun where there are events already', async () => {
    const shared = bed()
    const before = await shared.app({ events: ORDER_EVENTS })
    await before.publish(created(1))
    const app = await shared.app({ events: ORDER_EVENTS })
    app.project(orderSummary({ inline: true }))
    expect(await failure(() => app.publish(created(2)))).toMatchObject({ code: 'projection-not-built' })
    expect(await failure(() => app.start())).toMatchObject({ code: 'projection-not-built' })
    await before.publish(created(3))
  })

  test('events come as they are recorded, without a position', async () => {
    const app = await bed().app({ events: ORDER_EVENTS })
    const seen: unknown[] = []
    const Seen = defineProjection<{ n: number }>('seen', { version: 1, inline: true }).on(OrderCreated, (_, event) => {
      seen.push(event)
    })
    app.project(Seen)
    await app.publish(created(1))
    const recorded = []
    for await (const { position: _, ...event } of app.read()) recorded.push(event)
    expect(seen).toEqual(recorded)
  })
})

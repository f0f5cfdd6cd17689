import { expect, test } from 'vitest'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { failure } from '../delivery/fixtures/until.ts'
import { defineProjection } from '../index.ts'
import { created, ORDER_EVENTS, OrderCancelled, OrderCreated, orderSummary } from './fixtures/orders.ts'

// Writers wait for each other, and the machine may be busy.

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

  test('writers at the same time that change the same documents wait for each other, and lose nothing', async () => {
    const shared = bed()
    const Both = () =>
      defineProjection<{ count: number }>('both', { version: 1, inline: true }).on(OrderCreated, (view, { data }) => {
        for (const id of data.total % 2 === 0 ? ['a', 'b', 'c'] : ['c', 'b', 'a']) {
          view.upsert(id, (before) => ({ count: (before?.count ?? 0) + 1 }))
        }
      })
    const apps = await Promise.all([1, 2, 3].map(() => shared.app({ events: ORDER_EVENTS })))
    for (const app of apps) app.project(Both())
    const publishing = apps.flatMap((app, index) =>
      Array.from({ length: 4 }, async (_, turn) => {
        for (let n = 0; n < 15; n++) await app.publish(created(index * 1_000 + turn * 100 + n))
      }),
    )
    await Promise.all(publishing)
    const found = await apps[0]?.view(Both()).getMany(['a', 'b', 'c'])
    expect(found).toEqual(new Map(['a', 'b', 'c'].map((id) => [id, { count: 180 }])))
  })

  test('handlers that read in opposite orders are tried again', async () => {
    const shared = bed()
    const Both = () =>
      defineProjection<{ count: number }>('both', { version: 1, inline: true }).on(
        OrderCreated,
        async (view, { data }) => {
          for (const id of data.total % 2 === 0 ? ['a', 'b'] : ['b', 'a']) {
            const before = await view.get(id)
            view.set(id, { count: (before?.count ?? 0) + 1 })
          }
        },
      )
    const apps = await Promise.all([1, 2].map(() => shared.app({ events: ORDER_EVENTS })))
    for (const app of apps) app.project(Both())
    const publishing = apps.map(async (app, index) => {
      for (let n = 0; n < 6; n++) await app.publish(created(n * 2 + index))
    })
    await Promise.all(publishing)
    expect(await apps[0]?.view(Both()).get('a')).toEqual({ count: 12 })
  })

  test('a long text in an index is found all the same', async () => {
    const app = await bed().app({ events: ORDER_EVENTS })
    const Orders = orderSummary({ inline: true })
    app.project(Orders)
    const userId = 'é'.repeat(20_000)
    await app.publish([created(1, userId), created(2, `${userId}x`)])
    expect((await app.view(Orders).find({ where: { userId } })).ids).toEqual(['o1'])
    expect((await app.view(Orders).find({ where: { userId: { gt: userId } } })).ids).toEqual(['o2'])
  })
})

import { expect, test } from 'vitest'
import { type Bed, eachEngine } from '../delivery/fixtures/bed.ts'
import { failure, until } from '../delivery/fixtures/until.ts'
import {
  defineEvent,
  defineProjection,
  formatExplanation,
  PermanentError,
  type ProjectionStatus,
  unchecked,
} from '../index.ts'
import { created, ORDER_EVENTS, OrderCreated, type Summary } from './fixtures/orders.ts'

// Much is written, and the machine may be busy.

/** Fails at the order with this total, for good or as long as `failing` says. */
function failingAt(total: number, failing: { now: boolean } = { now: true }, permanent = true) {
  return defineProjection<Summary>('order-summary', { version: 1 }).on(OrderCreated, (view, { data }) => {
    if (failing.now && data.total === total) throw permanent ? new PermanentError('it is bad') : new Error('it is bad')
    view.set(data.orderId, { ...data, status: 'open' })
  })
}

async function appWith(shared: Bed, Orders: ReturnType<typeof failingAt>) {
  const app = await shared.app({ events: ORDER_EVENTS })
  app.project(Orders)
  await app.start()
  return app
}

eachEngine((bed) => {
  test('an event that a handler fails at stops the projection there: nothing is passed over', async () => {
    const shared = bed()
    const Orders = failingAt(40)
    const app = await appWith(shared, Orders)
    const receipt = await app.publish(Array.from({ length: 60 }, (_, n) => created(n)))
    const status = await blockedStatus(() => app.projections.list())
    expect(status).toMatchObject({
      projection: 'order-summary',
      documents: 40,
      blocked: { event: { type: 'order.created', id: receipt.ids[40] }, error: { message: 'it is bad' } },
    })
    expect(await failure(() => app.view(Orders, { after: receipt }).get('o1'))).toMatchObject({
      code: 'view-blocked',
      details: { event: { id: receipt.ids[40] } },
    })
    expect(await app.view(Orders).count()).toBe(40)
    const { projections, services } = await app.explain()
    expect(services).toEqual([])
    expect(projections).toMatchObject([
      { state: 'blocked', defined: true, warnings: [{ code: 'projection-blocked', level: 'warning' }] },
    ])
    expect(formatExplanation(await app.explain())).toMatch(/^projection order-summary@1 \(async, blocked, lag \d+\)$/m)
    expect(shared.logger.said('error', 'projection order-summary@1 is blocked')).toBe(true)
  })

  test('it goes on where it stood when it is started again with a handler that is corrected', async () => {
    const shared = bed()
    const app = await appWith(shared, failingAt(3))
    const receipt = await app.publish(Array.from({ length: 6 }, (_, n) => created(n)))
    await blockedStatus(() => app.projections.list())
    await app.stop()
    const Corrected = failingAt(-1)
    const corrected = await appWith(shared, Corrected)
    expect(await corrected.view(Corrected, { after: receipt }).count()).toBe(6)
    expect((await corrected.projections.list())[0]).toMatchObject({ state: 'running', position: 6 })
    expect((await corrected.projections.list())[0]?.blocked).toBeUndefined()
  })

  test('what may pass is tried again, and is no reason to stop', async () => {
    const failing = { now: true }
    const Orders = failingAt(1, failing, false)
    const app = await appWith(bed(), Orders)
    const receipt = await app.publish([created(0), created(1), created(2)])
    await until(async () => (await app.projections.list())[0]?.state === 'retrying')
    failing.now = false
    expect(await app.view(Orders, { after: receipt }).count()).toBe(3)
  })

  test('an event that is newer than the code waits for code that is not', async () => {
    const shared = bed()
    const Old = defineEvent('thing.done', { schema: unchecked<{ readonly n: number }>() })
    const New = defineEvent('thing.done', {
      version: 2,
      schema: unchecked<{ readonly n: number }>(),
      upcast: { 1: (old: { n: number }) => old },
    })
    const things = (of: typeof Old | typeof New) =>
      defineProjection<{ n: number }>('things', { version: 1 }).on(of, (view, { data, id }) =>
        view.set(id, { n: data.n }),
      )
    const old = await shared.app({ events: [Old] })
    old.project(things(Old))
    await old.start()
    const newer = await shared.app({ events: [New] })
    const receipt = await newer.publish([New({ n: 1 }), New({ n: 2 })])
    await until(async () => (await old.projections.list())[0]?.blocked !== undefined)
    expect((await old.projections.list())[0]?.blocked?.error).toMatchObject({ code: 'projection-too-old' })
    const Things = things(New)
    newer.project(Things)
    await newer.start()
    await old.stop()
    expect(await newer.view(Things, { after: receipt, timeout: '20s' }).count()).toBe(2)
  })

  test('a projection that an operator has paused says so to who waits for it', async () => {
    const Orders = failingAt(-1)
    const app = await appWith(bed(), Orders)
    await app.publish(created(1))
    await app.settled()
    await app.services.pause('projection:order-summary@1', 'for a while')
    const receipt = await app.publish(created(2))
    expect(await failure(() => app.view(Orders, { after: receipt }).get('o2'))).toMatchObject({
      code: 'view-blocked',
      message: expect.stringContaining('for a while'),
    })
    await app.services.resume('projection:order-summary@1')
    expect(await app.view(Orders, { after: receipt }).get('o2')).toBeDefined()
  })
})

async function blockedStatus(list: () => Promise<readonly ProjectionStatus[]>): Promise<ProjectionStatus | undefined> {
  await until(async () => (await list())[0]?.state === 'blocked')
  return (await list())[0]
}

import { expect, test } from 'vitest'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { failure } from '../delivery/fixtures/until.ts'
import { type App, defineProjection, type Receipt } from '../index.ts'
import type { Store } from '../store/port.ts'
import { created, ORDER_EVENTS, OrderCreated } from './fixtures/orders.ts'

// Much is written, and the machine may be busy.

interface Count {
  readonly count: number
  readonly last: number
}

/** Counts every event, and sees whether they come in the order of the log. */
function counter(disorder: string[]) {
  return defineProjection<Count>('counter', { version: 1 }).on(OrderCreated, (view, { data }) =>
    view.upsert('all', (before) => {
      if (before !== undefined && before.last + 1 !== data.total) disorder.push(`${data.total} after ${before.last}`)
      return { count: (before?.count ?? 0) + 1, last: data.total }
    }),
  )
}

/** The outcome of every third write of progress is lost: some went through, some did not. */
function forgetful(store: Store): Store {
  let writes = 0
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (name !== 'progress') return value.bind(target)
      return async (...args: Parameters<Store['progress']>) => {
        const turn = ++writes % 6
        if (turn === 3) throw new Error('the connection was lost before the write')
        const result = await target.progress(...args)
        if (turn === 0) throw new Error('the connection was lost after the write')
        return result
      }
    },
  })
}

eachEngine((bed) => {
  test('every event takes effect once, also where the outcome of a write is never known', async () => {
    const shared = bed()
    const app = await shared.app({ events: ORDER_EVENTS }, forgetful)
    const disorder: string[] = []
    const Counter = counter(disorder)
    app.project(Counter)
    await app.start()
    const outside = await shared.app({ events: ORDER_EVENTS })
    let receipt: Receipt | undefined
    for (let n = 0; n < 40; n++) {
      receipt = await outside.publish(created(n))
      if (n % 4 === 0) await app.view(Counter, { after: receipt, timeout: '30s' }).get('all')
    }
    const view = app.view(Counter, { timeout: '30s', ...(receipt !== undefined && { after: receipt }) })
    expect(await view.get('all')).toEqual({ count: 40, last: 39 })
    expect(disorder).toEqual([])
  })

  test('several instances take turns: one at a time, in log order, each event once', async () => {
    const shared = bed()
    const disorder: string[] = []
    const outside = await shared.app({ events: ORDER_EVENTS })
    const apps: App[] = []
    const join = async () => {
      const app = (await shared.app({ events: ORDER_EVENTS })) as unknown as App
      app.project(counter(disorder))
      await app.start()
      apps.push(app)
    }
    let next = 0
    const publish = async () => {
      for (let n = 0; n < 50; n++) await outside.publish(created(next++))
    }
    await join()
    await Promise.all([publish(), join(), join()])
    await Promise.all([publish(), apps.shift()?.stop()])
    await Promise.all([publish(), apps.shift()?.stop(), join()])
    await outside.settled()
    const Counter = counter(disorder)
    expect(await outside.view(Counter).get('all')).toEqual({ count: next, last: next - 1 })
    expect(disorder).toEqual([])
  })

  test('it is neither moved nor forgotten as a service is: its documents belong to where it stands', async () => {
    const app = await bed().app({ events: ORDER_EVENTS })
    app.project(counter([]))
    await app.start()
    const refused = { code: 'invalid-option', message: expect.stringContaining('hodisa projections rebuild') }
    expect(await failure(() => app.services.reset('projection:counter@1', { from: 'start' }))).toMatchObject(refused)
    expect(await failure(() => app.services.forget('projection:counter@1'))).toMatchObject(refused)
  })
})

import { expect, test } from 'vitest'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { failure } from '../delivery/fixtures/until.ts'
import { type App, defineEvent, defineProjection, unchecked } from '../index.ts'

// Much is written, and the machine may be busy.

const schema = unchecked<{ readonly n: number }>()
const OrderPlaced = defineEvent('order.placed', { schema })
const OrderMade = defineEvent('order.made', { schema, was: ['order.placed'] })
const CartFilled = defineEvent('cart.filled', { schema })
const OrderFilled = defineEvent('order.filled', { schema, was: ['cart.filled'] })

function counter(...patterns: readonly string[]) {
  const projection = defineProjection<{ readonly n: number }>('counter', { version: 1 })
  for (const pattern of patterns) {
    projection.on(pattern, (view) => view.upsert('all', (before) => ({ n: (before?.n ?? 0) + 1 })))
  }
  return projection
}

eachEngine((bed) => {
  test('a handler of a former name, or of a pattern that matches it, gets what was recorded under it', async () => {
    for (const pattern of ['order.placed', 'order.*']) {
      const shared = bed()
      const old = await shared.app({ events: [OrderPlaced] })
      await old.publish([OrderPlaced({ n: 1 }), OrderPlaced({ n: 2 })])
      const app = (await shared.app({ events: [OrderMade] })) as unknown as App
      const Counter = counter(pattern)
      app.project(Counter)
      await app.start()
      await app.settled()
      expect(await app.view(Counter).get('all')).toEqual({ n: 2 })
      expect(await app.projections.verify(Counter)).toMatchObject({ differences: 0 })
    }
  })

  test('a pattern that comes to match events by their new name makes another view of the log: the version must be raised', async () => {
    const shared = bed()
    const old = (await shared.app({ events: [CartFilled, OrderPlaced] })) as unknown as App
    old.project(counter('order.*'))
    await old.start()
    await old.publish([CartFilled({ n: 1 }), OrderPlaced({ n: 2 })])
    await old.settled()
    await old.stop()
    const app = (await shared.app({ events: [OrderFilled, OrderPlaced] })) as unknown as App
    app.project(counter('order.*'))
    expect(await failure(() => app.start())).toMatchObject({ code: 'projection-changed' })
  })

  test('a rename within what the patterns match changes nothing', async () => {
    const shared = bed()
    const old = (await shared.app({ events: [CartFilled, OrderPlaced] })) as unknown as App
    old.project(counter('order.*', 'cart.*'))
    await old.start()
    await old.publish([CartFilled({ n: 1 }), OrderPlaced({ n: 2 })])
    await old.stop()
    const app = (await shared.app({ events: [OrderFilled, OrderMade] })) as unknown as App
    const Counter = counter('order.*', 'cart.*')
    app.project(Counter)
    await app.start()
    await app.publish([OrderFilled({ n: 3 }), OrderMade({ n: 4 })])
    await app.settled()
    expect(await app.view(Counter).get('all')).toEqual({ n: 4 })
    expect(await app.projections.verify(Counter)).toMatchObject({ differences: 0 })
  })
})

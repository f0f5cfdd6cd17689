import { expect, test } from 'vitest'
import { type EngineName, eachEngine } from '../delivery/fixtures/bed.ts'
import { failure, until } from '../delivery/fixtures/until.ts'
import { type App, defineProjection } from '../index.ts'
import { created, ORDER_EVENTS, OrderCreated } from './fixtures/orders.ts'

// Much is written, and the machine may be busy.

/** Keeps a table of its own beside its documents; fails at the order with this total, after it has written. */
function sums(options: { readonly inline: boolean; readonly failAt?: () => number }) {
  return defineProjection<{ n: number }>('sums', { version: 1, sql: true, inline: options.inline }).on(
    OrderCreated,
    async (view, { data }) => {
      await view.sql`update sums set total = total + ${data.total}`
      view.upsert('all', (before) => ({ n: (before?.n ?? 0) + 1 }))
      if (data.total === options.failAt?.()) throw new Error('it fails after it has written')
    },
  )
}

async function prepared(app: App): Promise<() => Promise<number>> {
  await app.transaction(async (tx) => {
    await tx.sql`create table sums (total integer not null)`
    await tx.sql`insert into sums (total) values (0)`
  })
  return () =>
    app.transaction(async (tx) => Number((await tx.sql<{ total: number }>`select total from sums`)[0]?.total))
}

const hasSql = (engine: EngineName) => engine !== 'memory'

eachEngine((bed, engine) => {
  test.runIf(hasSql(engine))('a table of its own is written with the documents, or not at all', async () => {
    const app = (await bed().app({ events: ORDER_EVENTS })) as unknown as App
    const total = await prepared(app)
    let failAt = 3
    const Sums = sums({ inline: false, failAt: () => failAt })
    app.project(Sums)
    await app.start()
    const receipt = await app.publish([1, 2, 3, 4].map((n) => created(n)))
    await until(async () => (await app.projections.list())[0]?.blocked !== undefined)
    expect(await total()).toBe(3)
    expect(await app.view(Sums).get('all')).toEqual({ n: 2 })
    failAt = -1
    expect(await app.view(Sums, { after: receipt, timeout: '20s' }).get('all')).toEqual({ n: 4 })
    expect(await total()).toBe(10)
    expect(await failure(() => app.projections.rebuild(Sums))).toMatchObject({ code: 'capability-missing' })
  })

  test.runIf(hasSql(engine))('an inline one is part of the append', async () => {
    const app = (await bed().app({ events: ORDER_EVENTS })) as unknown as App
    const total = await prepared(app)
    const Sums = sums({ inline: true, failAt: () => 2 })
    app.project(Sums)
    await app.publish(created(1))
    expect(await failure(() => app.publish(created(2)))).toMatchObject({ message: 'it fails after it has written' })
    expect(await total()).toBe(1)
    expect(await app.view(Sums).get('all')).toEqual({ n: 1 })
  })

  test.skipIf(hasSql(engine))('an engine without SQL refuses such a projection', async () => {
    const app = await bed().app({ events: ORDER_EVENTS })
    expect(() => app.project(sums({ inline: false }))).toThrow(/needs sql/)
  })
})

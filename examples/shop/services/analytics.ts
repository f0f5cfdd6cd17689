import { hodisa } from 'hodisa'
import { OrderCreated } from '../events.ts'
import { totalOf } from '../money.ts'
import { serve } from '../process.ts'
import { storeAt, storePlace } from '../store.ts'
import { prepareTables, recordEffect } from '../tables.ts'

const app = await hodisa({ source: 'analytics-service', store: storeAt(storePlace()), events: [OrderCreated] })
await prepareTables(app)

app.service('analytics', { concurrency: 4, from: 'start' }).on(OrderCreated, async (event, ctx) => {
  const { country, lines } = event.data
  await ctx.commit(async (tx) => {
    await tx.sql`insert into revenue (country, thousandths) values (${country}, ${totalOf(lines)})
      on conflict (country) do update set thousandths = revenue.thousandths + excluded.thousandths`
    await recordEffect(tx, 'analytics', event)
  })
})

await serve(app)

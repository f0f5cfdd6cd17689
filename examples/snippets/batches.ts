import assert from 'node:assert/strict'
import { hodisa } from 'hodisa'
import { sqlite } from 'hodisa/sqlite'
import { OrderCreated } from './events.ts'

const app = await hodisa({ source: 'search', store: sqlite('shop.db'), events: [OrderCreated] })
await app.transaction(async (tx) => {
  await tx.sql`create table if not exists found (order_id text primary key)`
})

// #region batch
app.service('search', { from: 'start' }).onBatch(OrderCreated, { size: 100, wait: '50ms' }, async (events, ctx) => {
  await ctx.commit(async (tx) => {
    for (const { data } of events) {
      await tx.sql`insert into found (order_id) values (${data.orderId})`
    }
  }) // marks all of them
})
// #endregion

await app.start()
for (let number = 1; number <= 250; number++) {
  await app.publish(OrderCreated({ orderId: `ord_${number}`, userId: 'usr_1', total: number }))
}
await app.settled()
const found = await app.transaction((tx) => tx.sql<{ count: number }>`select count(*) as count from found`)
assert.equal(found[0]?.count, 250)
await app.stop()

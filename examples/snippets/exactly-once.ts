import assert from 'node:assert/strict'
import { hodisa } from 'hodisa'
import { sqlite } from 'hodisa/sqlite'
import { all } from './all.ts'
import { OrderCreated, StockReserved } from './events.ts'

async function planPicking(_order: { readonly orderId: string }) {
  return [{ sku: 'sku_1', quantity: 2 }]
}

const app = await hodisa({
  source: 'inventory-service',
  store: sqlite('shop.db'),
  events: [OrderCreated, StockReserved],
})

// #region tables
await app.transaction(async (tx) => {
  await tx.sql`create table if not exists stock (sku text primary key, on_hand integer not null)`
  await tx.sql`insert into stock (sku, on_hand) values (${'sku_1'}, ${10}) on conflict do nothing`
})
// #endregion

// #region commit
app.service('inventory', { from: 'start' }).on(OrderCreated, async (event, ctx) => {
  const { orderId } = event.data
  const plan = await planPicking(event.data) // slow part: no transaction is open
  await ctx.commit(async (tx) => {
    // short part: only `tx` is awaited in here
    for (const { sku, quantity } of plan) {
      await tx.sql`update stock set on_hand = on_hand - ${quantity} where sku = ${sku}`
      tx.publish(StockReserved({ sku, orderId, quantity }))
    }
  })
})
// #endregion

await app.start()
await app.publish(OrderCreated({ orderId: 'ord_1', userId: 'usr_1', total: 10 }))
await app.settled()

// #region query
const onHand = await app.transaction(async (tx) => {
  const [row] = await tx.sql<{ on_hand: number }>`select on_hand from stock where sku = ${'sku_1'}`
  return row?.on_hand
})
// #endregion
assert.equal(onHand, 8)
assert.equal((await all(app.read({ types: 'stock.*' }))).length, 1)
await app.stop()

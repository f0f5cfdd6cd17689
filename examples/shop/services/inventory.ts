import { hodisa } from 'hodisa'
import { type Invoice, OrderCreated, OrderReturned, StockAdjusted, StockReserved } from '../events.ts'
import { serve } from '../process.ts'
import { storeAt, storePlace } from '../store.ts'
import { prepareTables, recordEffect } from '../tables.ts'

const app = await hodisa({
  source: 'inventory-service',
  store: storeAt(storePlace()),
  events: [OrderCreated, OrderReturned, StockAdjusted, StockReserved],
})
await prepareTables(app)

app
  .service('inventory', { concurrency: 16, from: 'start' })
  .on([OrderCreated, OrderReturned, StockAdjusted], async (event, ctx) => {
    const moves = unitsBySku(event.data)
    // The stock, the event that follows and the mark that this one is done: together, or none of them.
    await ctx.commit(async (tx) => {
      // In one statement, and the rows in one order: who changes several must not wait in a circle with others.
      await tx.sql`insert into stock (sku, kind, units)
        select key, cast(${event.type} as text), cast(cast(value as text) as bigint)
        from json_each(${JSON.stringify(Object.fromEntries(moves))}) where true order by key
        on conflict (sku, kind) do update set units = stock.units + excluded.units`
      await recordEffect(tx, 'inventory', event)
      if (event.type === 'order.created') tx.publish(StockReserved(reservation(event.data.invoice, moves)))
    })
  })

await serve(app)

function unitsBySku({ lines }: Invoice): ReadonlyMap<string, number> {
  const units = new Map<string, number>()
  for (const { sku, quantity } of lines) units.set(sku, (units.get(sku) ?? 0) + quantity)
  return units
}

function reservation(invoice: string, moves: ReadonlyMap<string, number>) {
  return { invoice, units: [...moves.values()].reduce((sum, units) => sum + units, 0) }
}

import { hodisa, PermanentError } from 'hodisa'
import { Order } from '../aggregates/order.ts'
import { Product } from '../aggregates/product.ts'
import { type Invoice, OrderCreated, OrderReturned, StockAdjusted } from '../events.ts'
import { forEach, movesOf } from '../moves.ts'
import { serve } from '../process.ts'
import { storeAt, storePlace } from '../store.ts'

const { confirm } = Order.commands
const { reserve, takeBack, correct } = Product.commands

const app = await hodisa({
  source: 'inventory-service',
  store: storeAt(storePlace()),
  events: [OrderCreated, OrderReturned, StockAdjusted],
})

app
  .service('inventory', { concurrency: 16, from: 'start' })
  .on([OrderCreated, OrderReturned, StockAdjusted], (event) => decide(event))

await serve(app)

/** Everything that an invoice does to the stock is one write. With the event's id it is made once, however often this runs. */
async function decide({ id, type, data }: { id: string; type: string; data: Invoice }): Promise<void> {
  const moves = movesOf(data)
  const products = moves.map(({ sku }) => [Product, sku] as const)
  if (type === 'order.returned') {
    await app.decide(products, (...shelves) => forEach(moves, shelves, takeBack), { id })
  } else if (type === 'stock.adjusted') {
    await app.decide(products, (...shelves) => forEach(moves, shelves, correct), { id })
  } else {
    const reserved = { invoice: data.invoice, units: moves.reduce((sum, { units }) => sum + units, 0) }
    const { rejection } = await app.decide(
      [[Order, data.invoice], ...products],
      (order, ...shelves) => [confirm(order, reserved), ...forEach(moves, shelves, reserve)],
      { id },
    )
    if (rejection !== undefined) throw new PermanentError(`order ${data.invoice}: ${rejection.code}`)
  }
}

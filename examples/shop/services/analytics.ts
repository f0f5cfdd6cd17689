import { hodisa } from 'hodisa'
import { serve } from '../process.ts'
import { storeAt, storePlace } from '../store.ts'
import { OrderSummaries } from '../views/order-summary.ts'
import { Revenue } from '../views/revenue.ts'
import { Stock } from '../views/stock.ts'

const app = await hodisa({ source: 'analytics-service', store: storeAt(storePlace()) })

// Of the five instances one builds a view, and the others stand by: each event counts once, and in its order.
app.project(OrderSummaries)
app.project(Revenue)
app.project(Stock)

await serve(app)

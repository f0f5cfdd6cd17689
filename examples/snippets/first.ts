import { defineEvent, hodisa } from 'hodisa'
import { sqlite } from 'hodisa/sqlite'
import { z } from 'zod'

// An event: a fact, with a type, a schema, and the stream it belongs to.
const OrderCreated = defineEvent('order.created', {
  schema: z.object({ orderId: z.string(), userId: z.string(), total: z.number() }),
  stream: (order) => order.orderId,
})

const app = await hodisa({ source: 'shop', store: sqlite('shop.db'), events: [OrderCreated] })

// A service gets every event, also those that came while it was down. Start it ten times, and the ten share the work.
app.service('email', { from: 'start', concurrency: 10 }).on(OrderCreated, async (event) => {
  console.log(`email: a receipt for ${event.data.orderId}, to ${event.data.userId}`)
})

// Another one. Nothing else had to change for it.
app.service('analytics', { from: 'start' }).on('order.*', (event) => {
  console.log(`analytics: ${event.type} at position ${event.position}`)
})

await app.start()

await app.publish(OrderCreated({ orderId: 'ord_456', userId: 'usr_789', total: 99.99 }))
await app.publish('order.created', { orderId: 'ord_457', userId: 'usr_790', total: 5 }) // by name, just as typed

await app.settled() // every service has finished everything
await app.stop() // lets running handlers finish

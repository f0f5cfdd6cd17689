import assert from 'node:assert/strict'
import { hodisa, PermanentError, systemEvents } from 'hodisa'
import { sqlite } from 'hodisa/sqlite'
import { OrderCreated } from './events.ts'

const app = await hodisa({ source: 'shop', store: sqlite('shop.db'), events: [OrderCreated] })
app.service('email', { from: 'start' }).on(OrderCreated, () => {
  throw new PermanentError('no such address')
})
const told: string[] = []

// #region alerts
app
  .service('alerts', { from: 'start' })
  .on(systemEvents.eventParked, ({ data }) => {
    told.push(`${data.service} gave up on ${data.type} ${data.eventId}: ${data.error.message}`)
  })
  .on('hodisa.**', ({ type, data }) => console.log(type, data))
// #endregion
await app.start()
await app.publish(OrderCreated({ orderId: 'ord_1', userId: 'usr_1', total: 10 }))
while (told.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
await app.stop()
assert.match(told[0] ?? '', /^email gave up on order.created .*no such address$/)

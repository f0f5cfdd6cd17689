import assert from 'node:assert/strict'
import { hodisa } from 'hodisa'
import { sqlite } from 'hodisa/sqlite'
import { OrderCreated } from './events.ts'

const app = await hodisa({ source: 'shop', store: sqlite('shop.db'), events: [OrderCreated] })
let handled = 0
app.service('email', { from: 'start' }).on(OrderCreated, () => {
  handled++
})
await app.start()
await app.publish(OrderCreated({ orderId: 'ord_1', userId: 'usr_1', total: 10 }))

// #region settled
const receipt = await app.publish(OrderCreated({ orderId: 'ord_2', userId: 'usr_1', total: 10 }))
await app.settled({ services: ['email'], after: receipt, timeout: '5s' }) // this write is handled
await app.settled() // all services have finished all there is
// #endregion
assert.equal(handled, 2)

// #region list
for (const { service, state, instances, lag, retrying, parked, waiting } of await app.services.list()) {
  console.log({ service, state, instances: instances.length, lag, retrying, parked, waiting })
}
// #endregion

// #region steer
await app.services.pause('email', 'the mail provider is moving')
await app.services.resume('email')
await app.services.reset('email', { from: 'start' }) // every event comes again
// #endregion
while (handled < 4) await new Promise((resolve) => setTimeout(resolve, 10))

// #region stop
await app.stop({ timeout: '10s' }) // what is not done by then comes again, to whoever has the share
// #endregion
assert.equal(handled, 4)

import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { hodisa, PermanentError } from 'hodisa'
import { sqlite } from 'hodisa/sqlite'
import { OrderCreated } from './events.ts'

const app = await hodisa({ source: 'payment-service', store: sqlite('shop.db'), events: [OrderCreated] })
const seen: { orderId: string; attempt: number }[] = []
let isUp = false
async function charge(_order: { readonly total: number }, signal: AbortSignal): Promise<void> {
  await pause(1, undefined, { signal })
  if (!isUp) throw new Error('the bank does not answer')
}

// #region retry
const payment = app.service('payment', {
  from: 'start',
  retry: { attempts: 5, min: '20ms', max: '2s', factor: 2, jitter: 0.5 },
})
payment.on(OrderCreated, async (event, ctx) => {
  if (event.data.total === 0) throw new PermanentError('nothing to charge') // trying again is of no use
  seen.push({ orderId: event.data.orderId, attempt: ctx.attempt })
  await charge(event.data, ctx.signal) // hand the signal on: it aborts at the timeout
})
// #endregion

await app.start()
await app.publish(OrderCreated({ orderId: 'ord_1', userId: 'usr_1', total: 10 }))
while (seen.length < 2) await pause(5)
isUp = true
await app.settled()
assert.equal(seen[0]?.attempt, 1)
assert.equal(seen[1]?.attempt, 2)
await app.stop()

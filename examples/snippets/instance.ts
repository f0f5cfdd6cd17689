// #region instance
// email.ts: start it once, or ten times, or on the day the shop grows. Instances share the work by themselves.
import { hodisa, stopOnSignals } from 'hodisa'
import { sqlite } from 'hodisa/sqlite'
import { OrderCreated } from './events.ts'

const app = await hodisa({ source: 'email-service', store: sqlite('shop.db'), events: [OrderCreated] })

app.service('email', { concurrency: 10, from: 'start' }).on(OrderCreated, async (event, ctx) => {
  ctx.logger.info('sending a receipt', { orderId: event.data.orderId })
})

stopOnSignals(app) // SIGTERM and Ctrl-C: running handlers finish, and the share is handed over at once
await app.start()
// #endregion

await app.settled()
process.kill(process.pid, 'SIGTERM')

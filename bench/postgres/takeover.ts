/*
 * How long the share of a killed instance is left alone. Started as a process of its own, this file is the instance to be killed:
 * `node takeover.ts <url> <service>`.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { storeAt } from '../engine.ts'
import { hodisa } from '../hodisa.ts'
import { OrderCreated, order, STREAMS } from '../sample.ts'

/** Ms. */
const HEARTBEAT = 1_000
/** Ms that two instances may take to share. */
const PATIENCE = 60_000

/** Ms from the kill of one of two instances until the other has handled an event of every key. */
export async function takeover(url: string, service: string): Promise<number> {
  const handled = { events: 0 }
  await using app = await instance(url, service, () => void handled.events++)
  const publishAll = () => app.publish(Array.from({ length: STREAMS }, (_, index) => OrderCreated(order(index))))
  const other = fork(import.meta.filename, [url, service], { stdio: ['ignore', 2, 2, 'ipc'] })
  try {
    await once(other, 'message')
    const deadline = performance.now() + PATIENCE
    do {
      if (performance.now() > deadline) throw new Error('two instances did not share their events')
      await delay(500)
      handled.events = 0
      await publishAll()
      await app.settled({ services: [service], timeout: '30s' })
    } while (handled.events > STREAMS * 0.6 || handled.events < STREAMS * 0.4)
    handled.events = 0
    // At any moment between two heartbeats, for the next one notices.
    await delay(Math.random() * HEARTBEAT)
    other.kill('SIGKILL')
    const start = performance.now()
    await publishAll()
    while (handled.events < STREAMS) {
      if (performance.now() > start + PATIENCE) throw new Error(`${handled.events} of ${STREAMS} events were handled`)
      await delay(5)
    }
    return performance.now() - start
  } finally {
    other.kill('SIGKILL')
  }
}

async function instance(url: string, service: string, handle: () => void) {
  const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet } // that an instance is gone is no news here
  const app = await hodisa({ source: 'bench', store: storeAt('postgres', url), events: [OrderCreated], logger })
  app.service(service, { concurrency: 100 }).on(OrderCreated, handle)
  await app.start()
  return app
}

function quiet(): void {}

const [, entry, url, service] = process.argv
if (entry === import.meta.filename && url !== undefined && service !== undefined) {
  await instance(url, service, () => undefined)
  process.send?.('started')
}

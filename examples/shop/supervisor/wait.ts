import { setTimeout } from 'node:timers/promises'
import { type App, isHodisaError } from 'hodisa'
import { OrderSummaries } from '../views/order-summary.ts'
import { Revenue } from '../views/revenue.ts'
import { Stock } from '../views/stock.ts'
import type { Display } from './display.ts'
import type { Monitor } from './monitor.ts'
import { SERVICES } from './services.ts'
import { statuses } from './statuses.ts'

/** So often in a row nothing may have moved before waiting is given up. */
const MOST_STILL_ROUNDS = 12
const ROUND = '10s'

type Settling = Pick<App, 'settled' | 'services' | 'projections' | 'view'>

/**
 * Resolves when every service has finished everything, and every view holds it.
 *
 * @throws {HodisaError} `timeout` when they stand still for two minutes
 */
export async function allSettled(app: Settling, signal: AbortSignal): Promise<void> {
  let progress = ''
  for (let still = 0; !signal.aborted; ) {
    try {
      return await settledOnce(app)
    } catch (error) {
      const late = isHodisaError(error, 'timeout') || isHodisaError(error, 'view-building')
      if (!late || still >= MOST_STILL_ROUNDS) throw error
    }
    const now = [...(await statuses(app)).values()].map(({ checkpoint }) => checkpoint).join()
    still = now === progress ? still + 1 : 0
    progress = now
  }
}

async function settledOnce(app: Settling): Promise<void> {
  // By name: one that was down until now may not have begun yet.
  const services = SERVICES.map(({ name }) => name).filter((name) => name !== 'order' && name !== 'analytics')
  await app.settled({ services, timeout: ROUND })
  await Promise.all([
    app.view(OrderSummaries, { timeout: ROUND }).count(),
    app.view(Revenue, { timeout: ROUND }).count(),
    app.view(Stock, { timeout: ROUND }).count(),
  ])
  while ((await app.projections.list()).some(({ state }) => state === 'down')) await setTimeout(100)
  await app.settled({ timeout: ROUND }) // the views too
}

export async function showUntil(signal: AbortSignal, monitor: Monitor, display: Display): Promise<void> {
  for (;;) {
    display.show(await monitor.snapshot())
    await setTimeout(display.interval, undefined, { signal })
  }
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** The work, whose failure counts for nothing once the signal has aborted: it is then a consequence. */
export async function unless(signal: AbortSignal, work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

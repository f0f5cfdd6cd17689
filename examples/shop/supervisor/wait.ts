import { setTimeout } from 'node:timers/promises'
import { type App, isHodisaError } from 'hodisa'
import type { Display } from './display.ts'
import type { Monitor } from './monitor.ts'
import { SERVICES } from './services.ts'

/** So often in a row nothing may have moved before waiting is given up. */
const MOST_STILL_ROUNDS = 12

/** Resolves when every service has finished everything. @throws {HodisaError} `timeout` when they stand still for two minutes. */
export async function allSettled(app: Pick<App, 'settled' | 'services'>, signal: AbortSignal): Promise<void> {
  const services = SERVICES.map(({ name }) => name).filter((name) => name !== 'order')
  let progress = ''
  for (let still = 0; !signal.aborted; ) {
    try {
      return await app.settled({ services, timeout: '10s' })
    } catch (error) {
      if (!isHodisaError(error, 'timeout') || still >= MOST_STILL_ROUNDS) throw error
    }
    const now = (await app.services.list()).map(({ checkpoint }) => checkpoint).join()
    still = now === progress ? still + 1 : 0
    progress = now
  }
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

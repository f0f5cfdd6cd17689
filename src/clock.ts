import type { Clock } from './store/port.ts'

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, callback, background = false) {
    if (ms <= 0) {
      const turn = setImmediate(callback)
      return () => clearImmediate(turn)
    }
    // Longer waits than a timer can count come early; every caller looks at the clock again.
    const timer = setTimeout(callback, Math.min(ms, 2 ** 31 - 1))
    if (background) timer.unref()
    return () => clearTimeout(timer)
  },
}

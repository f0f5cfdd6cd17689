import type { ResolvedOptions } from './options.ts'

/** How long to wait after the given number of failed attempts, in ms: exponential, capped, partly left to chance. */
export function backoff(failed: number, retry: ResolvedOptions['retry'], random: () => number): number {
  const full = Math.min(retry.max, retry.min * retry.factor ** Math.min(failed - 1, 64))
  return Math.round(full * (1 - retry.jitter * random()))
}

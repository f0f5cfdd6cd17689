import { HodisaError } from '../errors.ts'
import { type Duration, milliseconds } from '../event/duration.ts'
import { assertObject, assertOptions, shown } from '../event/input.ts'
import type { LogPlace } from '../log/read.ts'

/** Where a subscription begins. Counts once, when it is first recorded. */
export type From = LogPlace

export type PoisonPolicy = 'park' | 'skip' | 'stop'

export interface RetryOptions {
  /** Tries in all, the first included; 8 by default. */
  readonly attempts?: number
  /** Wait before the second try; 200 ms by default. */
  readonly min?: Duration
  /** Longest wait; 1 min by default. */
  readonly max?: Duration
  /** By which each wait is longer than the one before; 2 by default. */
  readonly factor?: number
  /** Share of each wait that is left to chance, 0 to 1; 0.5 by default. */
  readonly jitter?: number
}

export interface ServiceOptions {
  /** Keys at a time in each instance; 1 by default. */
  readonly concurrency?: number
  /** Where its subscriptions begin; `'now'` by default. */
  readonly from?: From
  readonly retry?: RetryOptions
  /** What becomes of an event that fails for good: `park` (default), `skip`, or `stop` the service. */
  readonly poison?: PoisonPolicy
  /** How long one attempt may take; 30 s by default. */
  readonly timeout?: Duration
  /** How long an event may fail while nothing else succeeds, before it is parked all the same; 1 h by default. */
  readonly patience?: Duration
  /** How many keys may be parked before the service is paused instead of parking more; 10,000 by default. */
  readonly maxParked?: number
  /** How often a process may die while it runs nothing but an event, before the event is parked; 3 by default. */
  readonly crashAttempts?: number
  /** After how long without an instance that announces it a subscription ends, while others run; 15 min by default. */
  readonly abandonAfter?: Duration
}

/** Service options with all defaults in place, in milliseconds. */
export interface ResolvedOptions {
  readonly concurrency: number
  readonly from: From
  readonly retry: Readonly<Record<'attempts' | 'min' | 'max' | 'factor' | 'jitter', number>>
  readonly poison: PoisonPolicy
  readonly timeout: number
  readonly patience: number
  readonly maxParked: number
  readonly abandonAfter: number
  readonly crashAttempts: number
}

const POLICIES: readonly PoisonPolicy[] = ['park', 'skip', 'stop']

/** @throws {HodisaError} `invalid-option`, naming the option and the values it takes. */
export function resolveOptions(options: ServiceOptions): ResolvedOptions {
  assertOptions('a service', options)
  const { concurrency = 1, from = 'now', retry = {}, poison = 'park', timeout = '30s', patience = '1h' } = options
  const { abandonAfter = '15m', crashAttempts = 3 } = options
  if (!POLICIES.includes(poison)) throw invalid('poison', `one of ${POLICIES.join(', ')}`, poison)
  assertFrom(from)
  assertObject('retry', retry)
  return {
    concurrency: atLeast('concurrency', concurrency, 1, true),
    from,
    poison,
    timeout: atLeast('timeout', milliseconds(timeout, 'timeout'), 1),
    patience: milliseconds(patience, 'patience'),
    maxParked: atLeast('maxParked', options.maxParked ?? 10_000, 1, true),
    abandonAfter: milliseconds(abandonAfter, 'abandonAfter'),
    crashAttempts: atLeast('crashAttempts', crashAttempts, 1, true),
    retry: {
      attempts: atLeast('retry.attempts', retry.attempts ?? 8, 1, true),
      min: milliseconds(retry.min ?? '200ms', 'retry.min'),
      max: milliseconds(retry.max ?? '1m', 'retry.max'),
      factor: atLeast('retry.factor', retry.factor ?? 2, 1),
      jitter: within01('retry.jitter', retry.jitter ?? 0.5),
    },
  }
}

export function assertFrom(from: unknown): asserts from is From {
  if (from === 'now' || from === 'start') return
  if (from instanceof Date && !Number.isNaN(from.getTime())) return
  if (Number.isSafeInteger(from) && Number(from) >= 0) return
  throw invalid('from', '"now", "start", a position from 0 or a valid Date', from)
}

export function atLeast(option: string, value: number, least: number, integer = false): number {
  if (
    typeof value === 'number' &&
    Number.isFinite(value) &&
    value >= least &&
    (!integer || Number.isSafeInteger(value))
  ) {
    return value
  }
  throw invalid(option, `${integer ? 'an integer' : 'a number'} from ${least}`, value)
}

function within01(option: string, value: number): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value
  throw invalid(option, 'a number from 0 to 1', value)
}

function invalid(option: string, rule: string, value: unknown): HodisaError {
  return new HodisaError('invalid-option', `${option} must be ${rule}, not ${shown(value)}`, { option })
}

import { HodisaError } from '../errors.ts'

/** Milliseconds, or a number with its unit: `'250ms'`, `'2s'`, `'15m'`, `'12h'`, `'7d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * @param option named in the error
 * @throws {HodisaError} `invalid-option` for anything but a duration from 0.
 */
export function milliseconds(duration: Duration, option: string): number {
  if (typeof duration === 'number' && Number.isFinite(duration) && duration >= 0) return duration
  const match = typeof duration === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(duration) : null
  const unit = UNITS[match?.[2] ?? '']
  if (match === null || unit === undefined) {
    throw new HodisaError(
      'invalid-option',
      `${option} must be milliseconds or a duration such as "250ms", "2s", "15m" or "7d", not ${JSON.stringify(duration)}`,
      { option, value: String(duration) },
    )
  }
  return Number(match[1]) * unit
}

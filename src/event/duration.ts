import { HodisaError } from '../errors.ts'

/** Milliseconds, or a number with its unit: `'250ms'`, `'2s'`, `'15m'`, `'12h'`, `'7d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * @param option named in the error
 * @throws {HodisaError} `invalid-option` for anything but a duration from 0.
 */
export function milliseconds(duration: Duration, option: string): number {
  const ms = typeof duration === 'number' ? duration : parsed(duration)
  if (Number.isFinite(ms) && ms >= 0) return ms
  const shown = typeof duration === 'string' ? JSON.stringify(duration.slice(0, 40)) : String(duration)
  throw new HodisaError(
    'invalid-option',
    `${option} must be milliseconds or a duration such as "250ms", "2s", "15m" or "7d", not ${shown}`,
    { option, value: shown },
  )
}

function parsed(text: unknown): number {
  const match = typeof text === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) : null
  return Number(match?.[1]) * (UNITS[match?.[2] ?? ''] ?? Number.NaN)
}

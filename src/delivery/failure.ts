import { isHodisaError } from '../errors.ts'
import type { StoredError } from '../store/groups.ts'
import { PermanentError } from './context.ts'

const LONGEST_MESSAGE = 2_000
const LONGEST_STACK = 8_000
const PERMANENT = [
  'invalid-data',
  'unserialisable-data',
  'unknown-type',
  'upcast-failed',
  'store-corrupt',
  'process-killed',
  'invalid-name',
] as const

/** Whether trying again is of no use. */
export function isPermanent(error: unknown): boolean {
  return error instanceof PermanentError || PERMANENT.some((code) => isHodisaError(error, code))
}

/** What can be kept of whatever was thrown: plain, cut to size, without cycles. Never throws itself. */
export function storedError(error: unknown): StoredError {
  try {
    if (!(error instanceof Error)) return { name: 'Error', message: cut(describe(error), LONGEST_MESSAGE) }
    const code = (error as { code?: unknown }).code
    const cause = error.cause === undefined ? '' : ` (cause: ${describe(error.cause)})`
    return {
      name: cut(String(error.name), 200),
      message: cut(`${error.message}${cause}`, LONGEST_MESSAGE),
      ...(typeof code === 'string' && { code: cut(code, 200) }),
      ...(typeof error.stack === 'string' && { stack: cut(error.stack, LONGEST_STACK) }),
    }
  } catch {
    return { name: 'Error', message: 'an error that could not be read' }
  }
}

function describe(value: unknown): string {
  if (value instanceof Error) return value.message
  if (typeof value === 'string') return value
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return String(value)
  }
}

function cut(text: string, longest: number): string {
  const whole = text.toWellFormed()
  return whole.length <= longest ? whole : `${whole.slice(0, longest).toWellFormed()}… (${whole.length} characters)`
}

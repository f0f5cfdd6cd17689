import { HodisaError } from '../errors.ts'

/*
 * Checks of what callers hand in, for those without a type checker: an error that names the option, instead of a TypeError from
 * somewhere within.
 */

/** @throws {HodisaError} `invalid-option` for anything but a plain object; left out, it is empty. */
export function assertOptions(call: string, options: unknown): void {
  if (options === undefined || isObject(options)) return
  throw invalidOption('options', `of ${call} must be an object`, options)
}

export function assertObject(option: string, value: unknown): void {
  if (!isObject(value)) throw invalidOption(option, 'must be an object', value)
}

export function assertFunction(option: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidOption(option, 'must be a function', value)
}

/** Each of the named members that is there is a text that is not empty. */
export function assertTexts(options: object, names: readonly string[]): void {
  for (const name of names) {
    const value = (options as Record<string, unknown>)[name]
    if (value !== undefined && (typeof value !== 'string' || value === '')) {
      throw invalidOption(name, 'must be a text that is not empty', value)
    }
  }
}

export function assertMethods(option: string, value: unknown, methods: readonly string[]): void {
  const missing = methods.find((name) => typeof (value as Record<string, unknown> | null)?.[name] !== 'function')
  if (missing !== undefined) throw invalidOption(option, `must have the method ${missing}`, value)
}

export function invalidOption(option: string, rule: string, value: unknown): HodisaError {
  return new HodisaError('invalid-option', `${option} ${rule}, not ${kindOf(value)}`, { option })
}

/** A simple value as it is, of others what they are: making a text of an object may run its code, and throw. */
export function shown(value: unknown): string {
  return value !== null && ['object', 'function'].includes(typeof value) ? kindOf(value) : String(value)
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

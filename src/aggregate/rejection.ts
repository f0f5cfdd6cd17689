import { toJson } from '../event/json.ts'

/** A decision of the business against a command: not an error of the program. Made by {@link reject}. */
export class Rejection<out Code extends string = string, out Details = unknown> {
  /** Told apart by where it comes from, not by its shape: data of an event may look the same. */
  readonly #rejected = true
  readonly code: Code
  readonly details: Details

  constructor(code: Code, details: Details) {
    this.code = code
    this.details = details
  }

  static is(value: unknown): value is Rejection {
    return typeof value === 'object' && value !== null && #rejected in value && value.#rejected
  }
}

/**
 * What a command returns to say no: `reject('insufficient-funds', { balance })`. Whoever executed the command gets it as
 * `rejection`, with these types.
 *
 * @param details plain JSON, for the caller to show or act on
 * @throws {HodisaError} `unserialisable-data`
 */
export function reject<const Code extends string>(code: Code): Rejection<Code, undefined>
export function reject<const Code extends string, Details>(code: Code, details: Details): Rejection<Code, Details>
export function reject(code: string, details?: unknown): Rejection {
  if (details !== undefined) toJson(details, 'details')
  return new Rejection(code, details)
}

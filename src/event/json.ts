import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { HodisaError } from '../errors.ts'

const DEEPEST = 200

/**
 * The JSON text of a value that survives JSON unchanged.
 *
 * @param root what the path in the error begins with
 * @throws {HodisaError} `unserialisable-data` with the path of the first value that would not come back as it was.
 */
export function toJson(value: unknown, root = 'data'): string {
  check(value, [], root)
  return JSON.stringify(value)
}

/**
 * SHA-256 over canonical JSON (RFC 8785), in hexadecimal.
 *
 * @throws {HodisaError} `unserialisable-data` for what canonical JSON cannot hold: a bigint, NaN, a cycle, a lone surrogate.
 */
export function fingerprint(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex')
}

function canonical(value: unknown): string {
  try {
    return canonicalize(value) ?? 'undefined'
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new HodisaError('unserialisable-data', `an event with a given id has no fingerprint: ${why}`, { why }, error)
  }
}

function refuse(path: readonly (string | number)[], root: string, what: string): never {
  const place = path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}.${part}`),
    root,
  )
  throw new HodisaError('unserialisable-data', `${place} is ${what}, which JSON cannot carry unchanged`, {
    path: [...path],
    what,
  })
}

function check(value: unknown, path: (string | number)[], root: string): void {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) refuse(path, root, 'a text with a lone surrogate')
      return
    case 'boolean':
      return
    case 'number':
      if (!Number.isFinite(value)) refuse(path, root, String(value))
      if (Number.isInteger(value) && !Number.isSafeInteger(value)) refuse(path, root, 'an integer beyond 2^53')
      return
    case 'object':
      if (value === null) return
      break
    default:
      refuse(path, root, value === undefined ? 'undefined' : `a ${typeof value}`)
  }
  // Deep nesting and cycles end here alike: no stack overflow, and no set to keep on the hot path.
  if (path.length > DEEPEST) refuse(path.slice(0, 3), root, `nested deeper than ${DEEPEST} levels, or a cycle`)
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      path.push(index)
      check(value[index], path, root)
      path.pop()
    }
    return
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    refuse(path, root, `a ${value.constructor?.name ?? 'class instance'}`)
  }
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') refuse(path, root, 'an object with toJSON')
  for (const name of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[name]
    if (member === undefined) continue // JSON leaves it out, and reading it gives undefined again
    if (!name.isWellFormed()) refuse(path, root, 'an object with a lone surrogate in a name')
    path.push(name)
    check(member, path, root)
    path.pop()
  }
}

import { HodisaError } from '../errors.ts'
import { assertType } from './names.ts'

const SEGMENT = /^(\*|[a-z][a-zA-Z0-9]*)$/
const OWN = 'hodisa'
// More than all the `*` that fit into a pattern count together.
const WRITTEN_OUT = 1_000

/** Tells whether an event type is one that a pattern names. */
export interface Pattern {
  readonly text: string
  /** Higher is more specific: what is written out counts before `*`, and `*` before `**`. */
  readonly rank: number
  matches(type: string): boolean
}

/**
 * Parses `order.created`, `payment.*` (one segment) or `order.**` (one or more). The framework's own `hodisa.*` events match
 * only patterns that begin with `hodisa.`.
 *
 * @throws {HodisaError} `invalid-name` for anything else.
 */
export function parsePattern(text: unknown): Pattern {
  if (typeof text !== 'string' || text === '' || text.length > 255) {
    throw new HodisaError('invalid-name', `a pattern must be a text such as "payment.*", not ${typeof text}`, {})
  }
  if (!text.includes('*')) {
    assertType(text)
    return { text, rank: Number.POSITIVE_INFINITY, matches: (type) => type === text }
  }
  const segments = text.split('.')
  const open = segments.at(-1) === '**'
  const fixed = open ? segments.slice(0, -1) : segments
  const wrong = fixed.find((segment) => !SEGMENT.test(segment))
  if (wrong !== undefined) {
    throw new HodisaError(
      'invalid-name',
      `pattern ${JSON.stringify(text)}: ${JSON.stringify(wrong)} must be a camelCase segment, "*", or "**" at the end`,
      { pattern: text, segment: wrong },
    )
  }
  const own = segments[0] === OWN
  return {
    text,
    rank: fixed.reduce((sum, segment) => sum + (segment === '*' ? 2 : WRITTEN_OUT), open ? 0 : 1),
    matches(type) {
      const parts = type.split('.')
      if (open ? parts.length <= fixed.length : parts.length !== fixed.length) return false
      if (parts[0] === OWN && !own) return false
      return fixed.every((segment, index) => segment === '*' || segment === parts[index])
    },
  }
}

/** A matcher for any of several patterns that remembers its answers, for the hot path. */
export function anyOf(patterns: readonly Pattern[]): (type: string) => boolean {
  const known = new Map<string, boolean>()
  return (type) => {
    let answer = known.get(type)
    if (answer === undefined) {
      answer = patterns.some((pattern) => pattern.matches(type))
      known.set(type, answer)
    }
    return answer
  }
}

/** Whether some type could match both. */
export function overlap(one: Pattern, other: Pattern): boolean {
  const [a, b] = [one.text.split('.'), other.text.split('.')]
  for (let index = 0; ; index++) {
    const [left, right] = [a[index], b[index]]
    // What is left of the other must hold at least one segment for `**`, which it does unless it has ended.
    if (left === '**') return right !== undefined
    if (right === '**') return left !== undefined
    if (left === undefined || right === undefined) return left === right
    if (left !== right && left !== '*' && right !== '*') return false
  }
}

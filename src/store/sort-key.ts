import { HodisaError } from '../errors.ts'

/*
 * A sort key is text whose UTF-8 bytes stand in the order of the values: null, false, true, numbers, texts. Engines compare and
 * search keys and know nothing of values.
 */

const NULL = 'a'
const FALSE = 'b'
const TRUE = 'c'
const NUMBER = 'd'
const TEXT = 'e'

const SIGN = 1n << 63n
const ALL = (1n << 64n) - 1n
// U+0000 may not stand in a text of PostgreSQL, so it and its neighbour are written with U+0001.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these two are what has to be found
const ESCAPED = /[\u0000\u0001]/g

/**
 * The sort key of a simple JSON value. `-0` and `0` have the same; a lone surrogate counts as U+FFFD, as in UTF-8. The key of a
 * text begins with the key of each of its beginnings, so that `prefix` finds it.
 *
 * @throws {HodisaError} `invalid-option` for NaN, which no JSON holds
 */
export function sortKey(value: null | boolean | number | string): string {
  if (value === null) return NULL
  if (typeof value === 'boolean') return value ? TRUE : FALSE
  return typeof value === 'number' ? NUMBER + numberKey(value) : TEXT + textKey(value)
}

/** The IEEE 754 double in hex: the negative ones turned round, so that its digits rise with its value. */
function numberKey(value: number): string {
  if (Number.isNaN(value)) throw new HodisaError('invalid-option', 'NaN has no place among numbers', { value: 'NaN' })
  const bytes = new DataView(new ArrayBuffer(8))
  // `-0 + 0` is 0.
  bytes.setFloat64(0, value + 0)
  const bits = bytes.getBigUint64(0)
  const ordered = bits >= SIGN ? bits ^ ALL : bits | SIGN
  return ordered.toString(16).padStart(16, '0')
}

function textKey(value: string): string {
  return value.toWellFormed().replace(ESCAPED, (char) => (char === '\u0000' ? '\u0001\u0001' : '\u0001\u0002'))
}

/** Compares texts as their UTF-8 bytes do, which is by code point and not, as `<` does, by UTF-16 unit. */
export function compareKeys(one: string, other: string): number {
  const length = Math.min(one.length, other.length)
  for (let index = 0; index < length; index++) {
    const left = one.charCodeAt(index)
    const right = other.charCodeAt(index)
    if (left !== right) return inCodePointOrder(left) - inCodePointOrder(right)
  }
  return one.length - other.length
}

/** Surrogates stand for what is above U+FFFF, but their units are below U+E000. */
function inCodePointOrder(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

/** The first text behind all that begin with `prefix`; undefined where there is none. */
export function afterPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix.toWellFormed(), (char) => char.codePointAt(0) ?? 0)
  while (points.at(-1) === 0x10ffff) points.pop()
  const last = points.pop()
  if (last === undefined) return undefined
  return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1)
}

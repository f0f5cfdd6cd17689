import fc from 'fast-check'
import { expect, test } from 'vitest'
import { afterPrefix, compareKeys, sortKey } from './sort-key.ts'

const bytes = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other))
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('\u0000', '\u0001', '\u0002', 'a', '\u07ff', '\ud7ff', '\ue000', '\uffff', '😀') }),
)
const anyNumber = fc.oneof(fc.double({ noNaN: true }), fc.integer(), fc.constantFrom(0, -0, 5e-324, -5e-324))
const anyScalar = fc.oneof(fc.constant(null), fc.boolean(), anyNumber, anyText)
type Scalar = null | boolean | number | string

const kindOf = (value: Scalar) => {
  if (value === null) return 0
  if (typeof value === 'boolean') return value ? 2 : 1
  return typeof value === 'number' ? 3 : 4
}

/** The order of values, told without keys. */
function compare(one: Scalar, other: Scalar): number {
  if (kindOf(one) !== kindOf(other)) return kindOf(one) - kindOf(other)
  if (typeof one === 'number' && typeof other === 'number') return one < other ? -1 : one > other ? 1 : 0
  return typeof one === 'string' && typeof other === 'string' ? bytes(one, other) : 0
}

test('keys stand in the order of their values, and are equal where the values are', () => {
  fc.assert(
    fc.property(anyScalar, anyScalar, (one, other) => {
      expect(Math.sign(bytes(sortKey(one), sortKey(other)))).toBe(Math.sign(compare(one, other)))
    }),
    { numRuns: 5_000 },
  )
})

test('numbers of every size stand in their order', () => {
  const rising = [
    ...[Number.NEGATIVE_INFINITY, -Number.MAX_VALUE, -1e10, -1.5, -1, -5e-324],
    ...[0, 5e-324, 0.1, 1, 2, 10, 1e10, Number.MAX_SAFE_INTEGER, Number.MAX_VALUE, Number.POSITIVE_INFINITY],
  ]
  const keys = rising.map(sortKey)
  expect(keys.toSorted(bytes)).toEqual(keys)
  expect(sortKey(-0)).toBe(sortKey(0))
  expect(() => sortKey(Number.NaN)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
})

test('the key of a text begins with that of another exactly where the text does', () => {
  fc.assert(
    fc.property(anyText, anyText, fc.boolean(), (text, other, joined) => {
      const whole = joined ? other + text : text
      expect(sortKey(whole).startsWith(sortKey(other))).toBe(whole.startsWith(other))
    }),
    { numRuns: 2_000 },
  )
})

test('no key holds U+0000 or a lone surrogate', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('\u0000', '\u0001', 'a', '\ud800', '\udc00') }), (text) => {
      const key = sortKey(text)
      expect(key.includes('\u0000')).toBe(false)
      expect(key.isWellFormed()).toBe(true)
    }),
  )
})

test('texts are compared as their UTF-8 bytes are', () => {
  fc.assert(
    fc.property(anyText, anyText, (one, other) => {
      expect(Math.sign(compareKeys(one, other))).toBe(Math.sign(bytes(one, other)))
    }),
    { numRuns: 5_000 },
  )
})

test('what begins with a prefix stands between it and the first text behind it', () => {
  fc.assert(
    fc.property(anyText, anyText, fc.boolean(), (text, prefix, joined) => {
      const whole = joined ? prefix + text : text
      const end = afterPrefix(prefix)
      const between = compareKeys(whole, prefix) >= 0 && (end === undefined || compareKeys(whole, end) < 0)
      expect(between).toBe(whole.startsWith(prefix))
    }),
    { numRuns: 5_000 },
  )
  expect(['', '\u{10ffff}'].map(afterPrefix)).toEqual([undefined, undefined])
  expect(afterPrefix('a\u{10ffff}')).toBe('b')
  expect(afterPrefix('\ud7ff')).toBe('\ue000')
})

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { fingerprint, toJson } from './json.ts'

class Money {
  amount = 1
}

const cycle: Record<string, unknown> = {}
cycle.self = { cycle }

describe('the JSON text of data', () => {
  test('comes back as it was, whatever plain value it is', () => {
    const plain = fc.jsonValue({ stringUnit: 'grapheme', noUnicodeString: false }).filter((value) => safe(value))
    fc.assert(fc.property(plain, (value) => assert.deepEqual(JSON.parse(toJson(value)), value)))
  })

  const refused: readonly (readonly [string, unknown, string, RegExp])[] = [
    ['undefined', undefined, 'data', /undefined/],
    ['a Date', { at: new Date(0) }, 'data.at', /a Date/],
    ['a Map', [new Map()], 'data[0]', /a Map/],
    ['a Set', { a: [{ b: new Set() }] }, 'data.a[0].b', /a Set/],
    ['bytes', new Uint8Array(1), 'data', /a Uint8Array/],
    ['an instance of a class', { m: new Money() }, 'data.m', /a Money/],
    ['a bigint', { n: 1n }, 'data.n', /a bigint/],
    ['NaN', [0, Number.NaN], 'data[1]', /NaN/],
    ['Infinity', Number.NEGATIVE_INFINITY, 'data', /Infinity/],
    ['an integer beyond 2^53', { n: 2 ** 53 }, 'data.n', /2\^53/],
    ['undefined in an array', { list: [1, undefined] }, 'data.list[1]', /undefined/],
    ['a hole in an array', new Array(1), 'data[0]', /undefined/],
    ['a function', { f: () => 1 }, 'data.f', /a function/],
    ['a symbol', Symbol('x'), 'data', /a symbol/],
    ['an object with toJSON', { o: { toJSON: () => 1 } }, 'data.o', /toJSON/],
    ['a cycle', cycle, 'data.self.cycle.self', /cycle/],
    ['a lone surrogate', { text: 'a\ud800' }, 'data.text', /lone surrogate/],
    ['a lone surrogate in a name', { a: { '\udfff': 1 } }, 'data.a', /lone surrogate/],
  ]
  for (const [what, value, place, why] of refused) {
    test(`refuses ${what}, with its place`, () => {
      assert.throws(
        () => toJson(value),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'unserialisable-data')
          assert.ok(error.message.startsWith(`${place} is `), error.message)
          assert.match(error.message, why)
          return true
        },
      )
    })
  }

  test('names the root that it is given', () => {
    assert.throws(() => toJson({ a: 1n }, 'metadata'), { message: /^metadata\.a / })
  })

  test('leaves out members that are undefined, as reading them gives undefined again', () => {
    assert.equal(toJson({ a: undefined, b: 1 }), '{"b":1}')
  })

  test('takes objects without a prototype, and keeps __proto__ a key', () => {
    const bare = Object.assign(Object.create(null), { a: 1 })
    assert.equal(toJson(bare), '{"a":1}')
    assert.equal(toJson(JSON.parse('{"__proto__":{"admin":true}}')), '{"__proto__":{"admin":true}}')
  })

  test('keeps NUL, emoji and line separators', () => {
    const value = { text: 'a\u0000b 👩‍👩‍👧 \u2028' }
    assert.deepEqual(JSON.parse(toJson(value)), value)
  })

  test('does not overflow the stack', () => {
    let deep: unknown = 1
    for (let level = 0; level < 100_000; level++) deep = [deep]
    assert.throws(() => toJson(deep), { code: 'unserialisable-data' })
  })
})

describe('the fingerprint', () => {
  // Recorded with every id that a caller gave: it may never change.
  test('is SHA-256 over canonical JSON', () => {
    assert.equal(fingerprint({ b: 1, a: [1, 2] }), '94a786c3662bc7beeb598efa7d8cb58d7bea25d6c275ea9785a0230ff1f8c2ba')
    assert.equal(fingerprint({}), '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a')
  })

  test('does not depend on the order of members, nor on those that are undefined', () => {
    assert.equal(fingerprint({ a: 1, b: { c: 2, d: 3 } }), fingerprint({ b: { d: 3, c: 2 }, a: 1, e: undefined }))
  })

  test('tells different content apart', () => {
    const contents = [{ a: 1 }, { a: '1' }, { a: [1] }, { a: null }, {}, [], null, '', 0, false]
    assert.equal(new Set(contents.map(fingerprint)).size, contents.length)
  })

  for (const [what, value] of [
    ['a bigint', { n: 1n }],
    ['NaN', Number.NaN],
    ['a lone surrogate', '\ud800'],
    ['a cycle', cycle],
  ] as const) {
    test(`of ${what} is refused with a typed error`, () => {
      assert.throws(() => fingerprint(value), { code: 'unserialisable-data' })
    })
  }
})

/** Without what JSON itself changes (-0) and what is refused. */
function safe(value: unknown): boolean {
  if (typeof value === 'number')
    return !Object.is(value, -0) && (!Number.isInteger(value) || Number.isSafeInteger(value))
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([name, member]) => name.isWellFormed() && name !== '__proto__' && safe(member))
}

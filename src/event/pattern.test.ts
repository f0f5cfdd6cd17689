import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { anyOf, parsePattern } from './pattern.ts'

const segment = fc.constantFrom('a', 'b', 'order', 'hodisa')
const type = fc.array(segment, { minLength: 1, maxLength: 5 }).map((segments) => segments.join('.'))
const pattern = fc
  .tuple(fc.array(fc.oneof(segment, fc.constant('*')), { maxLength: 5 }), fc.boolean())
  .filter(([segments, open]) => open || segments.length > 0)
  .map(([segments, open]) => [...segments, ...(open ? ['**'] : [])].join('.'))

/** The same rule, written the slow way. */
function reference(text: string, name: string): boolean {
  if (name.split('.')[0] === 'hodisa' && text.split('.')[0] !== 'hodisa') return false
  const source = text
    .split('.')
    .map((part) => (part === '**' ? '[^.]+([.][^.]+)*' : part === '*' ? '[^.]+' : part))
    .join('[.]')
  return new RegExp(`^${source}$`).test(name)
}

describe('a pattern', () => {
  const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['order.created', ['order.created'], ['order', 'order.created.late', 'orders.created']],
    ['order.*', ['order.created'], ['order', 'order.item.added', 'orders.created']],
    ['order.**', ['order.created', 'order.item.added'], ['order', 'orders.created']],
    ['*.created', ['order.created'], ['created', 'a.b.created']],
    ['*', ['order'], ['order.created', 'hodisa']],
    ['**', ['order', 'order.created'], ['hodisa.parked', 'hodisa']],
    ['*.parked', ['order.parked'], ['hodisa.parked']],
    ['hodisa.**', ['hodisa.parked', 'hodisa.a.b'], ['order.parked', 'hodisa']],
  ]
  for (const [text, matching, others] of cases) {
    test(`${text} matches ${matching.join(', ')} only`, () => {
      const { matches } = parsePattern(text)
      for (const name of matching) assert.equal(matches(name), true, name)
      for (const name of others) assert.equal(matches(name), false, name)
    })
  }

  test('matches as the plain rule says, for any type', () => {
    fc.assert(
      fc.property(pattern, type, (text, name) => {
        assert.equal(parsePattern(text).matches(name), reference(text, name))
      }),
      { numRuns: 2_000 },
    )
  })

  const wrong = ['', '.', 'order.', '.order', 'order..x', '**.created', 'a.**.b', '***', 'order.cre*', 'Order.*', 'a b']
  for (const text of [...wrong, 'a'.repeat(256), '*.'.repeat(200), 7, null, undefined, {}]) {
    test(`is not ${JSON.stringify(text)?.slice(0, 40)}`, () => {
      assert.throws(() => parsePattern(text), { code: 'invalid-name' })
    })
  }
})

describe('the rank of a pattern', () => {
  test('puts what is written out before *, and * before **', () => {
    const ordered = [
      'order.item.added',
      'order.item.*',
      'order.item.**',
      'order.*.*',
      'order.**',
      '*.*.*',
      '*.**',
      '**',
    ]
    const ranks = ordered.map((text) => parsePattern(text).rank)
    assert.deepEqual(
      ranks,
      [...ranks].sort((a, b) => b - a),
    )
    assert.equal(new Set(ranks).size, ordered.length)
  })

  test('counts one segment written out above any number of *', () => {
    const stars = parsePattern(new Array(100).fill('*').join('.'))
    const name = new Array(100).fill('a').join('.')
    const written = parsePattern('a.**')
    assert.ok(stars.matches(name) && written.matches(name))
    assert.ok(written.rank > stars.rank)
  })
})

describe('any of several patterns', () => {
  test('is what one of them is', () => {
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 4 }), fc.array(type, { maxLength: 8 }), (texts, names) => {
        const matches = anyOf(texts.map(parsePattern))
        for (const name of [...names, ...names]) {
          assert.equal(
            matches(name),
            texts.some((text) => reference(text, name)),
          )
        }
      }),
    )
  })
})

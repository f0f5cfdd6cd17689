import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { type Duration, milliseconds } from './duration.ts'

describe('a duration', () => {
  const good: readonly (readonly [Duration, number])[] = [
    [0, 0],
    [250, 250],
    [1.5, 1.5],
    ['250ms', 250],
    ['2s', 2_000],
    ['1.5s', 1_500],
    ['15m', 900_000],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
  ]
  for (const [duration, ms] of good) {
    test(`${JSON.stringify(duration)} is ${ms} ms`, () => assert.equal(milliseconds(duration, 'timeout'), ms))
  }

  const bad = [-1, Number.NaN, Number.POSITIVE_INFINITY, '', '5', 's', '-1s', '1 s', '1w', '1e3s', ' 1s', '1s\n', null]
  for (const duration of [...bad, undefined, 10n, Symbol('x'), {}, [], `${'9'.repeat(400)}d`]) {
    test(`${typeof duration} ${String(duration).slice(0, 20)} is refused, with the name of the option`, () => {
      assert.throws(() => milliseconds(duration as Duration, 'timeout'), {
        code: 'invalid-option',
        message: /^timeout must be/,
      })
    })
  }
})

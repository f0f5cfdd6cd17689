import { describe, expect, it } from 'vitest'
import { formatPounds, parsePounds, totalOf } from './money.ts'

describe('money', () => {
  it.each([
    ['2.55', 2550],
    ['0', 0],
    ['0.001', 1],
    ['12.750', 12_750],
    ['1.5000', 1500],
    ['-11062.06', -11_062_060],
    ['-0.00', 0],
  ])('reads %s exactly', (text, thousandths) => {
    expect(parsePounds(text)).toBe(thousandths)
  })

  it.each(['', '.', '1.', '.5', '1,50', '1.2345', '1e3', '£1', ' 1', 'NaN', '99999999999999999'])(
    'refuses %j',
    (text) => {
      expect(parsePounds(text)).toBeUndefined()
    },
  )

  it.each([
    [748_268_980, '748268.98'],
    [2555, '2.555'],
    [2500, '2.50'],
    [1, '0.001'],
    [0, '0.00'],
    [-50, '-0.05'],
  ])('writes %i with two decimals or three', (thousandths, text) => {
    expect(formatPounds(thousandths)).toBe(text)
  })

  it('refuses to write what is not exact', () => {
    expect(() => formatPounds(0.5)).toThrow(RangeError)
  })

  it('adds up what floats would not', () => {
    const lines = Array.from({ length: 10 }, () => ({ quantity: 1, price: 100 }))
    expect(formatPounds(totalOf(lines))).toBe('1.00')
  })
})

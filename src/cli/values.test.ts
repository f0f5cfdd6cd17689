import { expect, test } from 'vitest'
import { end, integer, list, place } from './values.ts'

test('a place is a word, a position, a time or how long ago', () => {
  expect(place('start')).toBe('start')
  expect(place('now')).toBe('now')
  expect(place('42')).toBe(42)
  expect(place('2024-01-15T10:30:00Z')).toEqual(new Date('2024-01-15T10:30:00Z'))
  expect(place('2024-01-15T10:30:00+05:00')).toEqual(new Date('2024-01-15T05:30:00Z'))
  const before = Date.now()
  const ago = place('15m')
  expect(ago).toBeInstanceOf(Date)
  expect(Number(ago)).toBeGreaterThanOrEqual(before - 15 * 60_000)
  expect(Number(ago)).toBeLessThanOrEqual(Date.now() - 15 * 60_000)
})

test('a time without a zone is local, a day alone too', () => {
  expect(place('2024-01-15 10:30')).toEqual(new Date(2024, 0, 15, 10, 30))
  expect(place('2024-01-15')).toEqual(new Date(2024, 0, 15))
})

test.each([
  '',
  ' ',
  'yesterday',
  '-1',
  '1.5',
  '1e3',
  '2024-13-01',
  '2024-01-15T',
  '10:30',
  '9007199254740993',
  '15w',
  '9e9d',
])('%j is no place', (text) => {
  expect(() => place(text)).toThrow(/It is/)
  expect(() => end(text)).toThrow(/It is/)
})

test.each(['start', 'now'])('a list does not end at %j', (text) => {
  expect(() => end(text)).toThrow(/It is/)
})

test('integers keep to their bounds', () => {
  expect(integer(0)('0')).toBe(0)
  expect(integer(1, 5)('5')).toBe(5)
  for (const text of ['0', '6', '-1', '1.0', '', 'x', '99999999999999999999']) {
    expect(() => integer(1, 5)(text)).toThrow(/from 1 to 5/)
  }
})

test('several come with commas or one by one', () => {
  expect(list('a, b')).toEqual(['a', 'b'])
  expect(list('c', ['a', 'b'])).toEqual(['a', 'b', 'c'])
})

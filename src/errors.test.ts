import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { errorRows } from '../scripts/errors-doc.ts'
import { ERRORS, HodisaError, isHodisaError } from './errors.ts'

test('docs/errors.md lists exactly the codes, with the fix of each', () => {
  const rows = errorRows(readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8'))
  const listed = Object.fromEntries([...rows].map(([code, { fix }]) => [code, fix]))
  expect(listed).toEqual(ERRORS)
})

test('every error is told apart when it happens', () => {
  const rows = errorRows(readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8'))
  for (const [code, { when }] of rows) expect(when.length, code).toBeGreaterThan(10)
})

test('an error carries its code, what to do, its details and its cause', () => {
  const cause = new Error('below')
  const error = new HodisaError('id-reused', 'id a is known', { id: 'a' }, cause)
  expect(error).toMatchObject({
    name: 'HodisaError',
    code: 'id-reused',
    message: 'id a is known',
    fix: ERRORS['id-reused'],
    details: { id: 'a' },
    cause,
  })
})

test('isHodisaError tells codes apart, and ours from others', () => {
  const error = new HodisaError('store-busy', 'busy')
  expect(isHodisaError(error)).toBe(true)
  expect(isHodisaError(error, 'store-busy')).toBe(true)
  expect(isHodisaError(error, 'store-full')).toBe(false)
  expect(isHodisaError(new Error('store-busy'), 'store-busy')).toBe(false)
  expect(isHodisaError(undefined)).toBe(false)
})

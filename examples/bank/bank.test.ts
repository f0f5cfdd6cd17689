import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

test('the bank runs, and says what it says in its documents', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'main.ts')], {
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  expect(stdout.split('\n')).toEqual([
    'Ada has 500.00 € after 2 events',
    '700 € are too much: insufficient-funds, she has 500.00 €',
    'Ada pays Bob 200 €: 300.00 € and 200.00 €',
    'the same again, by mistake: 300.00 € and 200.00 €',
    'Bob pays Ada 300 €: insufficient-funds',
    'Ada after event 1: 0.00 €',
    'Ada after event 2: 500.00 €',
    'Ada after event 3: 300.00 €',
    'Ada a year ago: no account',
    '1 account.opened',
    '2 account.deposited',
    '3 account.withdrawn',
    '',
  ])
})

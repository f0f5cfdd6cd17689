import { expect, test } from 'vitest'
import { Hints } from './hints.ts'
import type { Hint } from './port.ts'

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

test.each<[string, Parameters<Hints['tellSoon']>[0][], Hint]>([
  ['of one service', [{ head: false, groups: { service: 'a' } }], { groups: true, services: new Set(['a']) }],
  [
    'of several services',
    [
      { head: true, groups: { service: 'a' } },
      { head: false, groups: { service: 'b' } },
    ],
    { head: 7, groups: true, services: new Set(['a', 'b']) },
  ],
  [
    'of any service, whoever was named before',
    [
      { head: false, groups: { service: 'a' } },
      { head: false, groups: true },
      { head: false, groups: { service: 'b' } },
    ],
    { groups: true },
  ],
  ['of the log alone', [{ head: true, groups: false }], { head: 7 }],
])('what happens in one turn is one hint: %s', async (_, news, told) => {
  const hints = new Hints(quiet, () => 7)
  const heard: Hint[] = []
  hints.add((hint) => heard.push(hint))
  for (const one of news) hints.tellSoon(one)
  await Promise.resolve()
  expect(heard).toEqual([told])
})

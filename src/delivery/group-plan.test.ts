import { expect, test } from 'vitest'
import { memory } from '../engines/memory/index.ts'
import { hostAt } from '../store/conformance/suite.ts'
import { claim } from './group-plan.ts'

test('who is no member, for it was taken for dead, claims nothing: nobody would take that over', async () => {
  const store = await memory().open(hostAt({ now: 0 }))
  const state = await store.groups.read('mail')
  const me = { instance: 'ins_me', patterns: ['mail.sent'], versions: {} }
  expect(claim(state, me, new Set(), true)).toBeUndefined()
  expect(claim({ ...state, members: [me] }, me, new Set())?.leases).toHaveLength(256)
})

import { describe, expect, test } from 'vitest'
import { MUTATIONS, type Mutation } from './fixtures/mutant.ts'
import { lab } from './lab.ts'
import type { Plan } from './plan.ts'

/** A process is killed in the midst of its work, and one is frozen past its lease, with a backlog before them. */
const PLAN: Plan = {
  duration: 14_500,
  publishers: 1,
  perSecond: 300,
  most: 1_200,
  steps: [
    { at: 0, do: 'scale', to: 3 },
    { at: 4_000, do: 'kill', slot: 1, point: 'done.after', call: 3 },
    { at: 4_500, do: 'stop', slots: [2], for: 9_000 },
  ],
}

/** What the laboratory must find, at least, when a part of the framework is disabled. */
const FOUND: Readonly<Record<Mutation, string | undefined>> = {
  none: undefined,
  fence: 'duplicate-effect',
  done: 'duplicate-effect',
  lease: 'begun-without-lease',
  lanes: 'order',
  'low-water': 'unhandled',
}

const MOST_RUNS = 25

const worker = new URL('./fixtures/mutant.ts', import.meta.url)

describe.concurrent('the laboratory on a framework', () => {
  for (const mutation of MUTATIONS) {
    const found = FOUND[mutation]
    const name = found === undefined ? 'that is whole finds nothing' : `without its ${mutation} finds it: ${found}`
    test(name, { timeout: 1_200_000 }, async () => {
      const env = { HODISA_LAB_MUTATION: mutation }
      const kinds = new Set<string>()
      // The plan says which process meets its fault when, and the machine what it is doing then: a busy one may need more runs.
      for (let seed = 1; seed <= MOST_RUNS; seed++) {
        const { violations } = await lab({ worker, plan: PLAN, seed, settleWithin: 20_000, env })
        if (found === undefined) return expect(violations).toEqual([])
        for (const { kind } of violations) kinds.add(kind)
        if (kinds.has(found)) return
      }
      expect([...kinds]).toContain(found)
    })
  }
})

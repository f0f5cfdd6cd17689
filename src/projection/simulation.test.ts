import { expect, test } from 'vitest'
import { type App, defineEvent, defineProjection, unchecked } from '../index.ts'
import { Random } from '../testing/random.ts'
import { type SimulationOptions, simulate } from '../testing/simulate.ts'

const Ticked = defineEvent('clock.ticked', {
  schema: unchecked<{ readonly key: string; readonly n: number; readonly fails: number }>(),
  stream: ({ key }) => key,
})

interface Tally {
  readonly count: number
  readonly last: number
  readonly disorder: number
}

function tallied(before: Tally | undefined, n: number): Tally {
  const disorder = (before?.disorder ?? 0) + (before !== undefined && before.last > n ? 1 : 0)
  return { count: (before?.count ?? 0) + 1, last: n, disorder }
}

/** One lane, one in parallel, and one with the events; some events fail a few times first. */
function projections(tries: Map<string, number>) {
  const attempt = (name: string, id: string, fails: number) => {
    const tried = (tries.get(name + id) ?? 0) + 1
    tries.set(name + id, tried)
    if (tried <= fails) throw new Error('it fails')
  }
  const Whole = defineProjection<Tally>('whole', { version: 1 }).on(Ticked, (view, { id, data }) => {
    attempt('whole', id, data.fails)
    view.upsert('all', (before) => tallied(before, data.n))
  })
  const Parallel = defineProjection<Tally>('parallel', {
    version: 1,
    partition: ({ data }) => (data as { key: string }).key,
  }).on(Ticked, (view, { id, data }) => {
    attempt('parallel', id, data.fails)
    view.upsert(data.key, (before) => tallied(before, data.n))
  })
  const Inline = defineProjection<Tally>('inline', { version: 1, inline: true }).on(Ticked, (view, { data }) =>
    view.upsert('all', (before) => tallied(before, data.n)),
  )
  return [Whole, Parallel, Inline] as const
}

function scenario(seed: number): SimulationOptions {
  const tries = new Map<string, number>()
  const random = new Random(seed ^ 0x9a11)
  let published = 0
  return {
    seed,
    instances: random.between(1, 4),
    duration: '15s',
    async app({ hodisa }) {
      const app = await hodisa({ source: 'simulated', events: [Ticked] })
      for (const projection of projections(tries)) app.project(projection)
      return app as unknown as App
    },
    async work({ hodisa, sleep }) {
      const app = await hodisa({ source: 'outside', events: [Ticked] })
      app.project(projections(tries)[2])
      for (let round = 0; round < random.between(5, 40); round++) {
        const events = Array.from({ length: random.pick([1, 1, 7, 60]) }, () => {
          const fails = random.chance(0.02) ? random.between(1, 3) : 0
          return Ticked({ key: `k${published % 5}`, n: published++, fails })
        })
        await app.publish(events)
        await sleep(random.between(0, 800))
        if (random.chance(0.1)) await operate(app as unknown as App, random, projections(tries))
      }
      await app.stop()
    },
    async check(simulated) {
      await simulated.settled()
      const app = await simulated.hodisa({ source: 'check', events: [Ticked] })
      const [Whole, Parallel, Inline] = projections(tries)
      const whole = { count: published, last: published - 1, disorder: 0 }
      expect(await app.view(Whole).get('all')).toEqual(whole)
      expect(await app.view(Inline).get('all')).toEqual(whole)
      const { documents } = await app.view(Parallel).find()
      expect(documents.reduce((sum, { count }) => sum + count, 0)).toBe(published)
      expect(documents.reduce((sum, { disorder }) => sum + disorder, 0)).toBe(0)
      await app.stop()
    },
  }
}

/** What an operator may do at any time. */
async function operate(
  app: App,
  random: Random,
  [Whole, Parallel, Inline]: ReturnType<typeof projections>,
): Promise<void> {
  const which = random.pick([Whole, Parallel, Inline])
  try {
    await app.projections.rebuild(which)
  } catch {
    // A handler that fails, a store that does not answer: the next rebuild goes on from there.
  }
}

test('views come out right whatever happens to the processes that build them', async () => {
  for (let seed = 1; seed <= 60; seed++) await simulate(scenario(seed))
})

/* However a state is come by, it is the same: from all events, from a snapshot, from what was at hand, over an upcaster. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Bed, eachEngine } from '../delivery/fixtures/bed.ts'
import { all } from '../delivery/fixtures/until.ts'
import { type App, defineAggregate, defineEvent, reject, unchecked } from '../index.ts'

// The machine may have other things to do.

// As it was first: in euros.
const PutInEuros = defineEvent('purse.put', { schema: unchecked<{ readonly euros: number }>() })
const Put = defineEvent('purse.put', {
  version: 2,
  schema: unchecked<{ readonly cents: number }>(),
  upcast: { 1: ({ euros }: { readonly euros: number }) => ({ cents: euros * 100 }) },
})
const Taken = defineEvent('purse.taken', { schema: unchecked<{ readonly cents: number }>() })

interface Purse {
  readonly cents: number
  /** Everything about every event that `evolve` is given. */
  readonly seen: readonly unknown[]
}

function purse(how: { readonly snapshotEvery?: number; readonly cache?: number | false }) {
  const initial: Purse = { cents: 0, seen: [] }
  return defineAggregate('purse', {
    events: [Put, Taken],
    initial,
    evolve: {
      'purse.put': (state, event) => ({ cents: state.cents + event.data.cents, seen: [...state.seen, event] }),
      'purse.taken': (state, event) => ({ cents: state.cents - event.data.cents, seen: [...state.seen, event] }),
    },
    commands: {
      put: (_, cents: number) => Put({ cents }),
      take: (state, cents: number) => (state.cents < cents ? reject('too-poor') : Taken({ cents })),
      halve: (state) => {
        const half = Math.floor(state.cents / 2)
        return half === 0 ? [] : [Taken({ cents: half }), Put({ cents: 0 })]
      },
    },
    ...how,
  })
}

const WAYS = {
  plain: purse({ cache: false }),
  cached: purse({}),
  snapshots: purse({ snapshotEvery: 2, cache: false }),
  both: purse({ snapshotEvery: 3, cache: 1 }),
}
const NAMES = Object.keys(WAYS) as (keyof typeof WAYS)[]

const step = fc.record({
  way: fc.constantFrom(...NAMES),
  id: fc.constantFrom('a', 'b'),
  what: fc.oneof(
    { weight: 4, arbitrary: fc.record({ command: fc.constant('put' as const), cents: fc.nat(100) }) },
    { weight: 3, arbitrary: fc.record({ command: fc.constant('take' as const), cents: fc.nat(100) }) },
    { weight: 1, arbitrary: fc.constant({ command: 'halve' as const }) },
    { weight: 2, arbitrary: fc.record({ command: fc.constant('old' as const), euros: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.constant({ command: 'restart' as const }) },
  ),
})

/** The state after the events of a log, put together here. */
function folded(events: readonly { readonly type: string; readonly data: unknown }[]): Purse {
  return events.reduce<Purse>(
    (state, { position: _, ...event }: { position?: number; type: string; data: unknown }) => {
      const { cents } = event.data as { readonly cents: number }
      return { cents: state.cents + (event.type === 'purse.put' ? cents : -cents), seen: [...state.seen, event] }
    },
    { cents: 0, seen: [] },
  )
}

eachEngine((_, engine) => {
  test('on any history, at any revision', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const shared = new Bed(engine)
        const old = await shared.app({ events: [PutInEuros] })
        const apps = new Map<string, App>()
        const appOf = async (way: string) => {
          const app = apps.get(way) ?? ((await shared.app({ events: [Put, Taken] })) as unknown as App)
          apps.set(way, app)
          return app
        }
        for (const { way, id, what } of steps) {
          const app = await appOf(way)
          if (what.command === 'old') {
            await old.publish(PutInEuros({ euros: what.euros }), { stream: `purse-${id}` })
          } else if (what.command === 'restart') {
            await app.stop()
            apps.delete(way)
          } else if (what.command === 'halve') {
            await app.execute(WAYS[way], id, 'halve')
          } else {
            await app.execute(WAYS[way], id, what.command, what.cents)
          }
        }
        for (const id of ['a', 'b']) {
          const events = await all((await appOf('plain')).read({ stream: `purse-${id}` }))
          for (const way of NAMES) {
            const app = await appOf(way)
            expect(await app.load(WAYS[way], id), way).toEqual({
              state: folded(events),
              revision: events.length,
              exists: events.length > 0,
            })
            const revision = Math.floor(events.length / 2)
            const earlier = await app.load(WAYS[way], id, { revision })
            expect(earlier.state, `${way} at ${revision}`).toEqual(folded(events.slice(0, revision)))
          }
        }
        for (const app of [old, ...apps.values()]) await app.stop()
      }),
      { numRuns: 30 },
    )
  })
})

import { describe, expect, test } from 'vitest'
import { check } from './check.ts'
import type { Effect, History, Logged, Run, Takeover } from './history.ts'

/** Two keys of three events, handled by one process by a service that commits and one that does not. */
function sound(): History {
  const log: Logged[] = [1, 2, 3, 4, 5, 6].map((position) => {
    const key = position % 2 === 0 ? 'even' : 'odd'
    return { position, id: `e${position}`, type: 'a.done', key, stream: `a-${key}`, revision: Math.ceil(position / 2) }
  })
  const followed: Logged[] = log.map(({ position, id }) => ({
    position: position + 10,
    id: `f${position}`,
    type: 'a.followed',
    key: `f${position}`,
    causationId: id,
  }))
  const runs = log.flatMap(({ position }) => ['commits', 'plain'].map((service) => run(service, position)))
  const effects: Effect[] = log.map(({ position }) => {
    return { order: position, service: 'commits', position, at: position * 100 + 40 }
  })
  const service = {
    subscriptions: [{ pattern: 'a.done', since: 0 }],
    state: 'down',
    parked: 0,
    retrying: 0,
    waiting: 0,
  }
  return {
    acknowledged: log.map(({ id, position, stream = '', revision = 0 }) => {
      return { number: position, ids: [id], streams: [{ stream, revision }] }
    }),
    log: [...log, ...followed],
    runs,
    effects,
    processes: [
      { name: 'one', beats: [0, 1_000, 2_000] },
      { name: 'two', beats: [0, 1_000, 2_000] },
    ],
    takeovers: [{ process: 'one', service: 'plain', cause: 'kill', seconds: 8 }],
    services: [
      { ...service, service: 'commits', commits: true, state: 'down' },
      { ...service, service: 'plain', commits: false, state: 'down' },
    ],
    followUps: [{ of: 'a.done', type: 'a.followed' }],
  }
}

function run(service: string, position: number, other: Partial<Run> = {}): Run {
  const begin = other.begin ?? position * 100
  return {
    service,
    process: 'one',
    position,
    attempt: 1,
    begin,
    checked: begin,
    end: begin + 50,
    outcome: 'done',
    ...other,
  }
}

function kinds(history: History): string[] {
  return [...new Set(check(history).map(({ kind }) => kind))].toSorted()
}

const without = <Item>(items: readonly Item[], gone: (item: Item) => boolean) => items.filter((item) => !gone(item))
const plainRun = (position: number) => (one: Run) => one.service === 'plain' && one.position === position

/** Each error, and what must be found. */
const PLANTED: readonly (readonly [string, (history: History) => Partial<History>, readonly string[]])[] = [
  [
    'an acknowledged event that is not in the log',
    ({ log }) => ({ log: without(log, ({ id }) => id === 'e6' || id === 'f6') }),
    ['lost'],
  ],
  [
    'half of an append',
    ({ log, acknowledged }) => ({
      log,
      acknowledged: [...acknowledged, { number: 9, ids: ['e1', 'gone'], streams: [] }],
    }),
    ['lost', 'torn-append'],
  ],
  [
    'an event that is recorded twice',
    ({ log }) => ({ log: [...log, { position: 20, id: 'f6', type: 'a.other', key: 'f6' }] }),
    ['duplicate-event'],
  ],
  [
    'a retry that is told something else',
    ({ acknowledged }) => ({ acknowledged: [...acknowledged, { number: 1, ids: ['e2'], streams: [] }] }),
    ['receipt-changed'],
  ],
  [
    'a gap in the revisions of a stream',
    ({ log }) => ({ log: log.map((event) => (event.id === 'e5' ? { ...event, revision: 4 } : event)) }),
    ['stream-order'],
  ],
  [
    'positions that fall',
    ({ log }) => ({ log: [...log, { position: 3, id: 'x', type: 'a.other', key: 'x' }] }),
    ['stream-order'],
  ],
  [
    'a receipt with a wrong revision',
    ({ acknowledged }) => ({
      acknowledged: [...acknowledged, { number: 9, ids: ['e6'], streams: [{ stream: 'a-even', revision: 2 }] }],
    }),
    ['stream-order'],
  ],
  ['an event that was never handled', ({ runs }) => ({ runs: without(runs, plainRun(6)) }), ['unhandled']],
  [
    'an event whose only handler failed',
    ({ runs }) => ({ runs: runs.map((one) => (plainRun(6)(one) ? { ...one, outcome: 'failed' } : one)) }),
    ['unhandled'],
  ],
  ['an effect that is missing', ({ effects }) => ({ effects: effects.slice(0, -1) }), ['missing-effect']],
  [
    'an effect that happened twice',
    ({ effects }) => ({ effects: [...effects, { order: 7, service: 'commits', position: 6, at: 700 }] }),
    ['duplicate-effect'],
  ],
  [
    'effects of a key in the wrong order',
    ({ effects }) => ({ effects: effects.map((one) => ({ ...one, order: 10 - one.order })) }),
    ['effect-order'],
  ],
  [
    'an event that begins before the one before it of its key',
    ({ runs }) => ({ runs: runs.map((one) => (plainRun(3)(one) ? run('plain', 3, { begin: 60, end: 90 }) : one)) }),
    ['order'],
  ],
  [
    'two events of a key at a time',
    ({ runs }) => ({
      runs: [...runs, run('plain', 1, { begin: 320, process: 'two' })],
    }),
    ['overlap'],
  ],
  [
    'a handler that outlives a hand-over, though the lease held',
    ({ runs }) => ({ runs: [...runs, run('plain', 1, { begin: 110, end: 310, outcome: 'open' })] }),
    ['overlap'],
  ],
  [
    'a handler that begins after the lease',
    ({ runs }) => ({ runs: [...runs, run('plain', 6, { begin: 9_000 })] }),
    ['begun-without-lease'],
  ],
  [
    'a handler in a process that never joined',
    ({ runs }) => ({ runs: [...runs, run('plain', 6, { begin: 900, process: 'ghost' })] }),
    ['begun-without-lease'],
  ],
  ['a follow-up that is missing', ({ log }) => ({ log: without(log, ({ id }) => id === 'f3') }), ['follow-up-missing']],
  [
    'a follow-up that was recorded twice',
    ({ log }) => ({ log: [...log, { position: 20, id: 'f0', type: 'a.followed', key: 'f0', causationId: 'e1' }] }),
    ['follow-up-twice'],
  ],
  ['work that never settles', () => ({ unsettled: 'plain is at position 3 of 6' }), ['unsettled']],
  [
    'a key that is retried for ever',
    ({ services }) => ({ services: services.map((one) => ({ ...one, retrying: 1 })) }),
    ['unsettled'],
  ],
  [
    'a service that was paused',
    ({ services }) => ({ services: services.map((one) => ({ ...one, state: 'paused' as const })) }),
    ['unsettled'],
  ],
  [
    'an innocent event that was parked',
    ({ services }) => ({ services: services.map((one) => ({ ...one, parked: 1 })) }),
    ['gave-up'],
  ],
  ['a process that fails by itself', () => ({ failures: ['s1.2 ended with 1'] }), ['process-failed']],
  ['a takeover that is too slow', () => ({ takeovers: [takeover(10.1)] }), ['slow-takeover']],
  ['a share that nobody took over', () => ({ takeovers: [takeover(undefined)] }), ['slow-takeover']],
]

function takeover(seconds: number | undefined): Takeover {
  return { process: 'one', service: 'plain', cause: 'stop', seconds }
}

describe('the checker', () => {
  test('finds nothing in a sound history', () => {
    expect(check(sound())).toEqual([])
  })

  for (const [name, plant, expected] of PLANTED) {
    test(`finds ${name}`, () => {
      const history = sound()
      expect(kinds({ ...history, ...plant(history) })).toEqual(expected)
    })
  }

  test('lets an event be handled again after its process died, as often as it takes', () => {
    const history = sound()
    const again = [run('plain', 5, { begin: 540 }), run('plain', 5, { begin: 9_000, process: 'late' })]
    const processes = [...history.processes, { name: 'late', beats: [8_900] }]
    const runs = history.runs.map((one) => (plainRun(5)(one) ? { ...one, end: 530, outcome: 'open' as const } : one))
    expect(check({ ...history, processes, runs: [...runs, ...again] })).toEqual([])
  })

  test('counts a commit as handled when its process died before the handler ended', () => {
    const history = sound()
    const died = (one: Run) => one.service === 'commits' && one.position === 1
    const runs = history.runs.map((one) => (died(one) ? { ...one, outcome: 'open' as const } : one))
    expect(check({ ...history, runs })).toEqual([])
  })

  test('excuses a frozen process whose handler runs on after its lease, and nothing that it begins then', () => {
    const history = sound()
    const frozen = run('plain', 6, { begin: 600, end: 9_000, process: 'frozen' })
    const runs = without(history.runs, plainRun(6))
    const successor = run('plain', 6, { begin: 7_000, process: 'two' })
    const processes = [
      { name: 'one', beats: [0, 1_000, 2_000] },
      { name: 'two', beats: [0, 1_000, 6_900] },
      { name: 'frozen', beats: [0, 900] },
    ]
    expect(check({ ...history, processes, runs: [...runs, frozen, successor] })).toEqual([])
    const tooSoon = { ...successor, begin: 6_800, checked: 6_800, end: 6_850 }
    const beating = [...processes.slice(0, 2), { name: 'frozen', beats: [0, 900, 1_800] }]
    expect(kinds({ ...history, processes: beating, runs: [...runs, frozen, tooSoon] })).toContain('overlap')
    const begun = run('plain', 6, { begin: 8_800, process: 'frozen' })
    expect(kinds({ ...history, processes, runs: [...runs, successor, begun] })).toEqual(['begun-without-lease'])
    // Frozen between the look at the clock and the handler: it could not know.
    expect(check({ ...history, processes, runs: [...runs, successor, { ...begun, checked: 1_000 }] })).toEqual([])
  })

  test('lets a batch hold several events of a key', () => {
    const history = sound()
    const batch = [2, 4, 6].map((position) => run('plain', position, { begin: 200, end: 300, batch: 'b' }))
    const runs = without(history.runs, ({ service, position }) => service === 'plain' && position % 2 === 0)
    expect(check({ ...history, runs: [...runs, ...batch] })).toEqual([])
    const apart = batch.map((one, index) => ({ ...one, batch: `b${index}` }))
    expect(kinds({ ...history, runs: [...runs, ...apart] })).toEqual(['order', 'overlap'])
  })
})

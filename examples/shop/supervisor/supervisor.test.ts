import { describe, expect, it } from 'vitest'
import { seededRandom } from '../random.ts'
import { chaos, killPlan, type Victim } from './chaos.ts'
import { compare, compareSums } from './compare.ts'
import type { Snapshot } from './monitor.ts'
import { parseOptions } from './options.ts'
import type { ServiceName } from './services.ts'
import { summary, view } from './view.ts'

describe('options', () => {
  it('make up 2,000 invoices with --once, and have no end without', () => {
    expect(parseOptions(['--once', '--seed', '7'])).toMatchObject({ count: 2000, seed: 7, rate: undefined })
    expect(parseOptions([])).toMatchObject({ count: undefined, rate: 40 })
  })

  it.each([
    [['--down', 'order', '--once']],
    [['--down', 'nobody', '--once']],
    [['--down', 'email']],
    [['--json']],
    [['--seed', 'x']],
    [['--rate', '0']],
    [['--nonsense']],
    [['stray']],
  ])('refuse %j with a reason', (args) => {
    expect(() => parseOptions(args)).toThrow(expect.objectContaining({ name: 'UsageError' }))
  })
})

describe('chaos', () => {
  it('plans at least ten kills, every service among them, order in the first half', () => {
    for (let seed = 0; seed < 100; seed++) {
      const plan = killPlan(seededRandom(seed))
      expect(plan.length).toBeGreaterThanOrEqual(10)
      expect(new Set(plan)).toEqual(new Set(['order', 'inventory', 'email', 'analytics', 'notification', undefined]))
      expect(plan.indexOf('order')).toBeLessThan(plan.length / 2)
    }
  })

  it('waits for the progress that each kill is due at, and never for what will not come', async () => {
    const killed: ServiceName[] = []
    const victim = (service: ServiceName, finished = false): Victim => ({
      service,
      finished,
      running: !finished,
      kill: () => true,
    })
    let progress = 0
    const signal = AbortSignal.timeout(20_000)
    const onKill = ({ service }: Victim) => {
      killed.push(service)
      expect(killed.length).toBeLessThanOrEqual(progress * 13)
    }
    const climb = setInterval(() => {
      progress = Math.min(1, progress + 0.05)
    }, 20)
    const victims = () => [victim('order', true), victim('email'), victim('analytics')]
    await chaos({ random: seededRandom(1), victims, onKill, signal }, () => progress)
    clearInterval(climb)
    expect(killed).toHaveLength(12)
    expect(new Set(killed)).toEqual(new Set(['email', 'analytics']))
  })
})

describe('the count of effects', () => {
  it('tells what is missing and what is there too often', () => {
    expect(compare(['a', 'b', 'c'], ['a', 'b', 'b', 'x'])).toEqual({ lost: 1, duplicates: 2 })
    expect(compare(['a', 'b'], ['b', 'a'])).toEqual({ lost: 0, duplicates: 0 })
  })

  it('tells which sums are too small and which too large', () => {
    const wanted = new Map([
      ['EIRE', 3],
      ['France', 5],
      ['Japan', 1],
    ])
    const seen = new Map([
      ['EIRE', 3],
      ['France', 6],
      ['Spain', 2],
    ])
    expect(compareSums(wanted, seen)).toEqual({ lost: 1, duplicates: 2 })
  })
})

describe('the view', () => {
  const snapshot: Snapshot = {
    seconds: 72,
    total: 2025,
    invoices: 1013,
    events: new Map([
      ['order.created', 800],
      ['order.returned', 163],
    ]),
    perSecond: 512,
    page: {
      revenue: [{ country: 'EIRE', orders: 2, thousandths: 1_234_500 }],
      orders: [
        {
          invoice: '536365',
          placedAt: '2010-12-01T08:26:00',
          customer: '17850',
          country: 'EIRE',
          total: 34_555,
          confirmed: true,
          receiptSent: true,
        },
      ],
    },
    services: [
      {
        name: 'order',
        running: 1,
        wanted: 1,
        restarts: 0,
        handled: 963,
        perSecond: 140,
        lag: undefined,
        retrying: 0,
        parked: 0,
        done: 0.5,
      },
      {
        name: 'email',
        running: 9,
        wanted: 10,
        restarts: 1,
        handled: 700,
        perSecond: 90,
        lag: 40,
        retrying: 2,
        parked: 1,
        done: 0.9,
      },
    ],
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it looks for
  const plain = (line: string) => line.replace(/\u001B\[\d+m/g, '')

  it('shows progress, flow and every service', () => {
    const text = view(snapshot, 'made-up orders', { columns: 100, rows: 40, color: false }).join('\n')
    expect(text).toContain('1:12')
    expect(text).toContain('50 %')
    expect(text).toContain('512 events/s')
    expect(text).toMatch(/order\.created\s+800/)
    expect(text).toMatch(/email\s+9\/10\s+700\s+90\s+40\s+3\s+1 {2}━{11}─/)
    expect(text).toContain('EIRE £1234.50')
    expect(text).toMatch(/17850\s+536365 £34\.555 ✓/)
    expect(text).not.toContain('\u001B')
  })

  it('is as wide as the terminal at most, with colours and without', () => {
    for (const columns of [1, 20, 60, 200]) {
      const colored = view(snapshot, 'made-up orders', { columns, rows: 40, color: true }).map(plain)
      expect(colored).toEqual(view(snapshot, 'made-up orders', { columns, rows: 40, color: false }))
      for (const line of colored) expect(line.length).toBeLessThanOrEqual(columns)
    }
  })

  it('keeps to 79 columns, and in few rows to the figures', () => {
    for (const line of view(snapshot, 'made-up orders', { columns: 200, rows: 40, color: false })) {
      expect(line.length).toBeLessThanOrEqual(79)
    }
    const small = view(snapshot, 'made-up orders', { columns: 79, rows: 14, color: false })
    expect(small.length).toBeLessThanOrEqual(14)
    expect(small.join('\n')).toContain('email')
  })

  it('says the same in one line', () => {
    expect(summary(snapshot)).toBe(
      '1:12  invoices 1,013/2,025  events 963 (512/s)  lag email 40  failing 3  restarts 1',
    )
  })
})

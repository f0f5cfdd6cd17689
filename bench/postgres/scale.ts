import { storeAt } from '../engine.ts'
import { hodisa } from '../hodisa.ts'
import { chosen, concurrently, firstLine, percentile, type Report, type Row, rate, type Settings } from '../measure.ts'
import { OrderCreated, order } from '../sample.ts'
import { fill } from './fill.ts'
import { takeover } from './takeover.ts'

const PUBLISHERS = 64
const BATCH = 500

export interface ScaleOptions extends Settings {
  /** In the filled log. */
  readonly events: number
  /** That filling may take; then there are fewer, and the rows say how many. */
  readonly minutes: number
}

interface Measure {
  readonly who: string
  readonly unit: 'events/s' | 's'
  readonly durability: string
  readonly rounds: number
  run(url: string, round: number): Promise<number>
}

/** How many times as long things take with many events in the log as without them. Both stores are on the same server. */
export async function scale(options: ScaleOptions): Promise<Report> {
  const { engine, quick, minutes } = options
  const events = quick ? Math.min(options.events, 50_000) : options.events
  const some = quick ? 2_000 : 20_000
  const measures: Measure[] = [
    {
      who: 'append',
      unit: 'events/s',
      durability: 'fsync',
      rounds: quick ? 1 : 5,
      run: (url) => appended(url, some),
    },
    {
      who: 'deliver',
      unit: 'events/s',
      durability: 'checkpoint fsynced every 25 ms',
      rounds: quick ? 1 : 5,
      run: (url, round) => delivered(url, some, `deliver_${round}`),
    },
    {
      who: 'takeover',
      unit: 's',
      durability: 'fsync',
      rounds: quick ? 1 : 11,
      run: async (url, round) => (await takeover(url, `takeover_${round}`)) / 1_000,
    },
  ]
  const rows = await engine.fresh((empty) =>
    engine.fresh(async (full) => {
      const filled = await fill(full, events, performance.now() + minutes * 60_000)
      const rows: Row[] = []
      for (const measure of chosen(options, measures)) rows.push(await compared(measure, { empty, full, filled }))
      return rows
    }),
  )
  return { bench: 'scale', unit: '× as long', rows }
}

interface Places {
  readonly empty: string
  readonly full: string
  /** Events in the full one. */
  readonly filled: number
}

/** Turn by turn; the first round warms up and does not count. */
async function compared({ who, unit, durability, rounds, run }: Measure, places: Places): Promise<Row> {
  const reached = { empty: [] as number[], full: [] as number[] }
  try {
    for (let round = 0; round <= rounds; round++) {
      for (const place of ['empty', 'full'] as const) {
        const value = await run(places[place], round)
        if (round > 0) reached[place].push(value)
      }
    }
  } catch (error) {
    return { who, value: null, durability, note: `failed: ${firstLine(error)}` }
  }
  const [empty, full] = [percentile(reached.empty, 0.5), percentile(reached.full, 0.5)]
  const value = unit === 's' ? full / empty : empty / full
  const shown = (figure: number) => (unit === 's' ? figure.toPrecision(3) : Math.round(figure).toLocaleString('en'))
  const note = `${shown(full)} ${unit} with ${places.filled.toLocaleString('en')} events, ${shown(empty)} with those of the measurement alone`
  return { who, value, durability, note }
}

async function appended(url: string, events: number): Promise<number> {
  await using app = await hodisa({ source: 'bench', store: storeAt('postgres', url), events: [OrderCreated] })
  return await rate(events, () => concurrently(PUBLISHERS, events, (index) => app.publish(OrderCreated(order(index)))))
}

/** Of events that were published after all others. */
async function delivered(url: string, events: number, service: string): Promise<number> {
  await using app = await hodisa({ source: 'bench', store: storeAt('postgres', url), events: [OrderCreated] })
  let from = 1
  for await (const { position } of app.read({ backwards: true, limit: 1 })) from = position + 1
  for (let index = 0; index < events; index += BATCH) {
    await app.publish(Array.from({ length: BATCH }, (_, each) => OrderCreated(order(index + each))))
  }
  let handled = 0
  const all = Promise.withResolvers<void>()
  app.service(service, { from }).on(OrderCreated, () => {
    if (++handled === events) all.resolve()
  })
  return await rate(events, async () => {
    await app.start()
    await all.promise
  })
}

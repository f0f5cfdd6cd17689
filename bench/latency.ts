import { fork } from 'node:child_process'
import { once } from 'node:events'
import { type EngineName, storeAt, type Timings } from './engine.ts'
import { type App, hodisa } from './hodisa.ts'
import { chosen, firstLine, now, paced, percentile, type Report, type Row, type Settings } from './measure.ts'
import { type Order, OrderCreated, order } from './sample.ts'

const PER_SECOND = 500

/** The data of an event with the moment it was published, by the clock that all processes of a machine share. */
type Timed = Order & { readonly sentAt: number }

/** Where a process finds the store. */
type Place = readonly [engine: EngineName, place: string]

/** Milliseconds from the call of `publish` to that of the handler, at 500 events a second. */
export async function latency(settings: Settings): Promise<Report> {
  const { quick, engine } = settings
  const events = PER_SECOND * (quick ? 2 : 10)
  const contenders: Timings[] = [
    {
      who: 'hodisa',
      durability: 'fsync',
      note: 'publish to handler, in one process',
      times: (place) => inProcess([engine.name, place], events),
    },
    {
      who: 'hodisa across',
      durability: 'fsync',
      note: 'the handler runs in another process',
      times: (place) => across([engine.name, place], events),
    },
    ...engine.others.latency(settings, { events, perSecond: PER_SECOND }),
  ]
  const rows: Row[] = []
  for (const contender of chosen(settings, contenders)) rows.push(await measured(settings, contender))
  return { bench: 'latency', unit: 'ms p50', rows }
}

async function measured({ engine }: Settings, { times: run, ...row }: Timings): Promise<Row> {
  try {
    const all = await engine.fresh(run)
    const times = all.slice(Math.floor(all.length / 10)) // the first tenth warms up
    return { ...row, value: percentile(times, 0.5), p99: percentile(times, 0.99) }
  } catch (error) {
    return { ...row, value: null, note: `failed: ${firstLine(error)}` }
  }
}

function timed(index: number): Timed {
  return { ...order(index), sentAt: now() }
}

async function inProcess(place: Place, events: number): Promise<number[]> {
  return await handling(place, events, (app) => publish(app, events))
}

/** This process handles, a child publishes. */
async function across(place: Place, events: number): Promise<number[]> {
  return await handling(place, events, async () => {
    await once(fork(import.meta.filename, [...place, String(events)], { stdio: ['ignore', 2, 2, 'ipc'] }), 'exit')
  })
}

/** Handles so many events that `publishing` brings about; resolves with how long each took. */
async function handling(place: Place, events: number, publishing: (app: App) => Promise<void>): Promise<number[]> {
  await using app = await hodisa({ source: 'handler', store: storeAt(...place), events: [OrderCreated] })
  const times: number[] = []
  const all = Promise.withResolvers<void>()
  app.service('bench', { concurrency: 100 }).on(OrderCreated, ({ data }) => {
    times.push(now() - (data as Timed).sentAt)
    if (times.length === events) all.resolve()
  })
  await app.start()
  await Promise.all([publishing(app), all.promise])
  return times
}

async function publish(app: App, events: number): Promise<void> {
  const published: Promise<unknown>[] = []
  await paced(PER_SECOND, events, (index) => published.push(app.publish(OrderCreated(timed(index)))))
  await Promise.all(published)
}

const [, entry, engine, place, events] = process.argv
if (entry === import.meta.filename && place !== undefined) {
  await using app = await hodisa({
    source: 'publisher',
    store: storeAt(engine === 'postgres' ? 'postgres' : 'sqlite', place),
    events: [OrderCreated],
  })
  await publish(app, Number(events))
}

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { emmett } from './emmett.ts'
import { type App, hodisa, sqlite } from './hodisa.ts'
import { firstLine, inFolder, now, paced, percentile, type Report, type Row, type Settings } from './measure.ts'
import { Raw } from './raw.ts'
import { type Order, OrderCreated, order } from './sample.ts'

const PER_SECOND = 500

/** The data of an event with the moment it was published, by the clock that all processes of a machine share. */
type Timed = Order & { readonly sentAt: number }

/** Milliseconds from the call of `publish` to that of the handler, at 500 events a second. */
export async function latency({ quick }: Settings): Promise<Report> {
  const events = PER_SECOND * (quick ? 2 : 10)
  const rows = [
    await measured({ who: 'hodisa', durability: 'fsync', note: 'publish to handler, in one process' }, (folder) =>
      inProcess(folder, events),
    ),
    await measured(
      { who: 'hodisa across', durability: 'fsync', note: 'the handler runs in another process' },
      (folder) => across(folder, events),
    ),
    await measured({ who: 'raw', durability: 'fsync', note: 'the insert alone, one transaction each' }, (folder) =>
      rawInserts(folder, events),
    ),
    await measured(
      {
        who: 'emmett',
        durability: 'fsync',
        note: '50 events/s; its consumer waits 100 to 1,000 ms where it found nothing',
      },
      (folder) => emmett({ what: 'latency', events: events / 10, perSecond: PER_SECOND / 10 }, folder),
    ),
  ]
  return { bench: 'latency', unit: 'ms p50', rows }
}

async function measured(row: Omit<Row, 'value'>, work: (folder: string) => Promise<readonly number[]>): Promise<Row> {
  try {
    const all = await inFolder(work)
    const times = all.slice(Math.floor(all.length / 10)) // the first tenth warms up
    return { ...row, value: percentile(times, 0.5), p99: percentile(times, 0.99) }
  } catch (error) {
    return { ...row, value: null, note: `failed: ${firstLine(error)}` }
  }
}

function timed(index: number): Timed {
  return { ...order(index), sentAt: now() }
}

async function inProcess(folder: string, events: number): Promise<number[]> {
  return await handling(join(folder, 'h.db'), events, (app) => publish(app, events))
}

/** This process handles, a child publishes. */
async function across(folder: string, events: number): Promise<number[]> {
  const file = join(folder, 'h.db')
  return await handling(file, events, async () => {
    await once(fork(import.meta.filename, [file, String(events)], { stdio: ['ignore', 2, 2, 'ipc'] }), 'exit')
  })
}

/** Handles so many events that `publishing` brings about; resolves with how long each took. */
async function handling(file: string, events: number, publishing: (app: App) => Promise<void>): Promise<number[]> {
  await using app = await hodisa({ source: 'handler', store: sqlite(file), events: [OrderCreated] })
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

async function rawInserts(folder: string, events: number): Promise<number[]> {
  const raw = new Raw(folder)
  const times: number[] = []
  await paced(PER_SECOND, events, () => {
    const start = now()
    raw.append(1, 1)
    times.push(now() - start)
  })
  raw.close()
  return times
}

const [, entry, file, events] = process.argv
if (entry === import.meta.filename && file !== undefined) {
  await using app = await hodisa({ source: 'publisher', store: sqlite(file), events: [OrderCreated] })
  await publish(app, Number(events))
}

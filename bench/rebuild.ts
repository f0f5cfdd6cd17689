import { join } from 'node:path'
import { emmett } from './emmett.ts'
import { hodisa, sqlite } from './hodisa.ts'
import { type Contender, compete, only, type Report, rate, type Settings } from './measure.ts'
import { Raw } from './raw.ts'
import { evolve, NOTHING, type Order, OrderCreated, order, type Total } from './sample.ts'

const STREAM = 'order-one'
const EVENTS = 10_000
/** Events of one write while the stream is filled. */
const FILL = 500

/** Events of one stream of 10,000 read and folded a second. */
export async function rebuild({ quick }: Settings): Promise<Report> {
  const times = quick ? 2 : 10
  const contenders: Contender[] = [
    { who: 'hodisa', note: 'app.read({ stream })', durability: 'reads only', round: (folder) => ours(folder, times) },
    {
      who: 'raw',
      durability: 'reads only',
      note: 'rows of the stream by an index, JSON.parse of the data',
      round: (folder) => rawRows(folder, times),
    },
    {
      who: 'emmett',
      durability: 'reads only',
      note: 'aggregateStream, all events at once',
      round: async (folder) => only(await emmett({ what: 'rebuild', events: EVENTS, times }, folder)),
    },
  ]
  const rows = await compete(contenders, quick ? 2 : 5)
  return { bench: 'rebuild', unit: 'events/s', rows }
}

/** Reads and folds some times over, and checks the outcome. */
function folding(times: number, fold: () => Promise<Total> | Total): Promise<number> {
  return rate(EVENTS * times, async () => {
    for (let time = 0; time < times; time++) {
      const { orders } = await fold()
      if (orders !== EVENTS) throw new Error(`${orders} events were folded instead of ${EVENTS}`)
    }
  })
}

async function ours(folder: string, times: number): Promise<number> {
  await using app = await hodisa({ source: 'bench', store: sqlite(join(folder, 'h.db')), events: [OrderCreated] })
  for (let from = 0; from < EVENTS; from += FILL) {
    const events = Array.from({ length: FILL }, (_, index) => OrderCreated(order(from + index)))
    await app.publish(events, { stream: STREAM })
  }
  return await folding(times, async () => {
    let state = NOTHING
    for await (const event of app.read({ stream: STREAM })) state = evolve(state, event.data as Order)
    return state
  })
}

async function rawRows(folder: string, times: number): Promise<number> {
  const raw = new Raw(folder).addIndexes()
  raw.append(EVENTS, FILL, 1)
  const rows = raw.db.prepare<[string], { data: string }>('select * from events where stream = ? order by revision')
  const reached = await folding(times, () => {
    let state = NOTHING
    for (const { data } of rows.all(STREAM)) state = evolve(state, JSON.parse(data))
    return state
  })
  raw.close()
  return reached
}

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type Backlog, orderAt } from './backlog.ts'
import { type Engine, type EngineName, storeAt } from './engine.ts'
import { hodisa } from './hodisa.ts'
import { type Contender, compete, firstLine, type Row, type Settings } from './measure.ts'
import { OrderCreated } from './sample.ts'

/** What a process that projects a backlog reaches: events a second, and its peak memory, in MB, after a tenth of them and at the end. */
export type Projected = readonly [perSecond: number, tenth: number, peak: number]

/** Events of one write while a log is filled. */
const FILL = 1_000
/** Events that have long been recorded, projected to documents a second. */
export async function project(settings: Settings): Promise<readonly Row[]> {
  const { quick, engine } = settings
  const backlog = quick ? { events: 50_000, documents: 5_000 } : { events: 1_000_000, documents: 100_000 }
  const memory = new Map<string, string>()
  const one = (who: string, against: string, about: string, fill: (place: string) => Promise<void>): Contender => ({
    who,
    against,
    durability: 'documents and checkpoint of a page in one transaction, fsync',
    note: about,
    round: async (place) => {
      await fill(place)
      const [perSecond, tenth, peak] = await projecting(who, engine.name, place, backlog)
      memory.set(who, `peak ${Math.round(peak)} MB, ${Math.round(tenth)} MB after a tenth`)
      return perSecond
    },
  })
  const size = `${backlog.events.toLocaleString('en')} events into ${backlog.documents.toLocaleString('en')} documents`
  const contenders = [
    one('hodisa project', 'raw project', `defineProjection, ${size}`, (place) => filled(engine, place, backlog)),
    one('raw project', 'raw project', 'by hand: pages of 1,000 rows, the same documents read and written', (place) =>
      engine.others.fill(place, backlog),
    ),
    one('raw columns', 'raw project', 'by hand, sums of the page added to columns: nothing is read', (place) =>
      engine.others.fill(place, backlog),
    ),
  ]
  const rows = await compete(settings, contenders, quick ? 1 : 2)
  return rows.map((row) => {
    const peak = row.value === null ? undefined : memory.get(row.who)
    return peak === undefined ? row : { ...row, note: `${row.note}; ${peak}` }
  })
}

async function filled(engine: Engine, place: string, backlog: Backlog): Promise<void> {
  await using app = await hodisa({ source: 'bench', store: storeAt(engine.name, place), events: [OrderCreated] })
  for (let from = 0; from < backlog.events; from += FILL) {
    await app.publish(Array.from({ length: FILL }, (_, index) => OrderCreated(orderAt(backlog, from + index))))
  }
}

/** In a process of its own, whose memory is nobody else's. */
async function projecting(who: string, engine: EngineName, place: string, backlog: Backlog): Promise<Projected> {
  const file = join(import.meta.dirname, 'project-process.ts')
  const child = fork(file, [who, engine, place, JSON.stringify(backlog)], { stdio: ['ignore', 2, 'pipe', 'ipc'] })
  let [result, complaint]: [Projected | undefined, string] = [undefined, '']
  child.on('message', (message) => (result = message as Projected))
  child.stderr?.on('data', (text) => (complaint += text))
  await once(child, 'close')
  if (result === undefined) throw new Error(firstLine(/^\w*Error: .*$/m.exec(complaint)?.[0] ?? complaint))
  return result
}

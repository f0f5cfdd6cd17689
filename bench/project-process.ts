/*
 * One projection at work: `node project-process.ts <who> <engine> <file or URL> <backlog>`, started by project.ts, which gets the
 * figures as a message.
 */
import type { Backlog } from './backlog.ts'
import { type EngineName, storeAt } from './engine.ts'
import { defineProjection, hodisa } from './hodisa.ts'
import { rate } from './measure.ts'
import { projectRaw as onPostgres } from './postgres/project.ts'
import type { Projected } from './project.ts'
import { evolve, NOTHING, OrderCreated, type Total } from './sample.ts'
import { projectRaw as onSqlite } from './sqlite/project.ts'

const [, , who, engine, place = '', text = ''] = process.argv
const engineName: EngineName = engine === 'postgres' ? 'postgres' : 'sqlite'
const backlog: Backlog = JSON.parse(text)

let [taken, tenth] = [0, 0]
const took = (events: number) => {
  taken += events
  if (tenth === 0 && taken >= backlog.events / 10) tenth = peak()
}

const raw = engineName === 'postgres' ? onPostgres : onSqlite
const perSecond = await rate(backlog.events, () =>
  who === 'hodisa project' ? ours() : raw(place, took, who === 'raw columns' ? 'columns' : 'documents'),
)
if (taken !== backlog.events) throw new Error(`${taken} events were projected instead of ${backlog.events}`)
const result: Projected = [perSecond, tenth, peak()]
process.send?.(result, () => process.exit())

async function ours(): Promise<void> {
  const Totals = defineProjection<Total>('totals', { version: 1 }).on(OrderCreated, (view, { data }) => {
    took(1)
    view.upsert(data.orderId, (total = NOTHING) => evolve(total, data))
  })
  await using app = await hodisa({ source: 'bench', store: storeAt(engineName, place), events: [OrderCreated] })
  app.project(Totals)
  await app.start()
  const total = await app.view(Totals, { timeout: '1h' }).get('ord_1') // when everything is in
  if (total?.orders !== backlog.events / backlog.documents) throw new Error(`a document is ${JSON.stringify(total)}`)
}

/** MB. */
function peak(): number {
  return process.resourceUsage().maxRSS / 1_024
}

import { storeAt } from './engine.ts'
import { type App, defineAggregate, hodisa } from './hodisa.ts'
import { type Contender, compete, type Report, type Settings } from './measure.ts'
import { project } from './project.ts'
import { evolve, NOTHING, type Order, OrderCreated, order, type Total } from './sample.ts'
import { folding, STREAM, STREAM_LENGTH } from './stream.ts'

/** Events of one write while the stream is filled. */
const FILL = 500

const OrderTotal = defineAggregate('order', {
  events: [OrderCreated],
  initial: NOTHING,
  evolve: { 'order.created': (total, event) => evolve(total, event.data) },
  commands: {},
  cache: false, // each load reads the whole stream
})

/** Events a second: of one stream of 10,000 read and folded; of a log projected to documents. */
export async function rebuild(settings: Settings): Promise<Report> {
  const { quick, engine } = settings
  const times = quick ? 2 : 10
  const ours = (who: string, note: string, fold: (app: App<[typeof OrderCreated]>) => Promise<Total>): Contender => ({
    who,
    note,
    durability: 'reads only',
    round: async (place) => {
      await using app = await hodisa({ source: 'bench', store: storeAt(engine.name, place), events: [OrderCreated] })
      for (let from = 0; from < STREAM_LENGTH; from += FILL) {
        const events = Array.from({ length: FILL }, (_, index) => OrderCreated(order(from + index)))
        await app.publish(events, { stream: STREAM })
      }
      return await folding(times, () => fold(app))
    },
  })
  const contenders = [
    ours('hodisa', 'app.read({ stream })', async (app) => {
      let state = NOTHING
      for await (const event of app.read({ stream: STREAM })) state = evolve(state, event.data as Order)
      return state
    }),
    ours('hodisa load', 'app.load of an aggregate without snapshots', async (app) => {
      return (await app.load(OrderTotal, 'one')).state
    }),
    ...engine.others.rebuild(settings),
  ]
  const rows = [...(await compete(settings, contenders, quick ? 1 : 5)), ...(await project(settings))]
  return { bench: 'rebuild', unit: 'events/s', rows }
}

import { storeAt } from './engine.ts'
import { defineAggregate, hodisa } from './hodisa.ts'
import { type Contender, compete, percentile, type Report, type Settings } from './measure.ts'
import { evolve, NOTHING, OrderCreated, order } from './sample.ts'

const LENGTHS = [1_000, 10_000, 100_000]
/** Events of one write while a stream is filled. */
const FILL = 500
/** Events that no snapshot holds yet. */
const SINCE = 50

const Snapshotted = defineAggregate('order', {
  events: [OrderCreated],
  initial: NOTHING,
  evolve: { 'order.created': (total, event) => evolve(total, event.data) },
  commands: {},
  snapshotEvery: 100,
  cache: false, // each load reads the snapshot
})

/** Milliseconds of a load from a snapshot and the events since, by the length of the stream. */
export async function snapshot(settings: Settings): Promise<Report> {
  const { quick, engine } = settings
  const times = quick ? 50 : 500
  const contenders = LENGTHS.map(
    (length): Contender => ({
      who: `hodisa ${length.toLocaleString('en')}`,
      against: 'hodisa 1,000',
      durability: 'reads only',
      note: `app.load of an aggregate of so many events, ${SINCE} of them after its snapshot`,
      round: async (place) => {
        const options = { source: 'bench', store: storeAt(engine.name, place), events: [OrderCreated] } as const
        const write = async (from: number, to: number) => {
          await using app = await hodisa(options)
          for (; from < to; from += FILL) {
            const events = Array.from({ length: Math.min(FILL, to - from) }, (_, index) =>
              OrderCreated(order(from + index)),
            )
            await app.publish(events, { stream: 'order-one' })
          }
          await app.load(Snapshotted, 'one') // keeps a snapshot where enough has come, before the app ends
        }
        await write(0, length - SINCE)
        await write(length - SINCE, length)
        await using app = await hodisa(options)
        const taken: number[] = []
        for (let time = 0; time < times; time++) {
          const start = performance.now()
          const { revision } = await app.load(Snapshotted, 'one')
          taken.push(performance.now() - start)
          if (revision !== length) throw new Error(`${revision} events were loaded instead of ${length}`)
        }
        return percentile(taken, 0.5)
      },
    }),
  )
  return { bench: 'snapshot', unit: 'ms p50', rows: await compete(settings, contenders, quick ? 1 : 3) }
}

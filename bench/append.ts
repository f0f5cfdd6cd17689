import { storeAt } from './engine.ts'
import { hodisa } from './hodisa.ts'
import { type Contender, compete, concurrently, type Report, rate, type Settings } from './measure.ts'
import { CheckedOrderCreated, OrderCreated, order } from './sample.ts'

const PUBLISHERS = 64
/** Events of one publish. */
const BATCH = 500

/** Events recorded a second, each known to be on disk before its publisher goes on. */
export async function append(settings: Settings): Promise<Report> {
  const { quick, engine } = settings
  const many = quick ? 4_000 : 30_000
  const few = quick ? 500 : 4_000

  const ours = (
    who: string,
    against: string,
    {
      callers,
      events,
      definition = OrderCreated,
    }: { callers: number; events: number; definition?: typeof OrderCreated },
  ): Contender => ({
    who,
    against,
    durability: 'fsync',
    round: async (place) => {
      await using app = await hodisa({ source: 'bench', store: storeAt(engine.name, place), events: [definition] })
      return await rate(events, () => concurrently(callers, events, (index) => app.publish(definition(order(index)))))
    },
  })
  const batches: Contender = {
    who: 'hodisa batch',
    against: 'raw batch',
    durability: 'fsync',
    note: `one publisher, ${BATCH} events at a time`,
    round: async (place) => {
      await using app = await hodisa({ source: 'bench', store: storeAt(engine.name, place), events: [OrderCreated] })
      return await rate(many, async () => {
        for (let from = 0; from < many; from += BATCH) {
          await app.publish(Array.from({ length: BATCH }, (_, index) => OrderCreated(order(from + index))))
        }
      })
    },
  }

  const contenders = [
    {
      ...ours('hodisa', 'raw', { callers: PUBLISHERS, events: many }),
      note: `${PUBLISHERS} publishers, group commit`,
    },
    {
      ...ours('hodisa zod', 'raw', { callers: PUBLISHERS, events: many, definition: CheckedOrderCreated }),
      note: 'the same, each event validated',
    },
    batches,
    {
      ...ours('hodisa single', 'raw single', { callers: 1, events: few }),
      note: 'one publisher, one event after the other',
    },
    ...engine.others.append(settings),
  ]
  return { bench: 'append', unit: 'events/s', rows: await compete(settings, contenders, quick ? 1 : 5) }
}

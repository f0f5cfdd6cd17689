import { storeAt } from './engine.ts'
import { type App, defineAggregate, hodisa } from './hodisa.ts'
import { type Contender, compete, type Report, rate, type Settings } from './measure.ts'
import { evolve, NOTHING, type Order, OrderCreated, order } from './sample.ts'

const CALLERS = 64

const Ordering = defineAggregate('order', {
  events: [OrderCreated],
  initial: NOTHING,
  evolve: { 'order.created': (total, event) => evolve(total, event.data) },
  commands: { place: (_, input: Order) => OrderCreated(input) },
})

/** One call of a caller who has an order of its own, and has written to it before. */
type Call = (app: App<[typeof OrderCreated]>, caller: number, revision: number) => Promise<unknown>

/** Commands a second on aggregates at hand, beside publishing the same events with the revision that they follow. */
export async function execute(settings: Settings): Promise<Report> {
  const { quick, engine } = settings
  const many = quick ? 3_200 : 32_000
  const few = quick ? 500 : 4_000
  const one = (who: string, against: string, note: string, [callers, calls]: readonly [number, number], call: Call) => {
    return {
      ...{ who, against, note, durability: 'fsync' },
      round: async (place: string) => {
        await using app = await hodisa({ source: 'bench', store: storeAt(engine.name, place), events: [OrderCreated] })
        const each = calls / callers
        const from = (first: number, last: number) =>
          Promise.all(
            Array.from({ length: callers }, async (_, caller) => {
              for (let revision = first; revision < last; revision++) await call(app, caller, revision)
            }),
          )
        await from(0, 1)
        return await rate(calls, async () => void (await from(1, each + 1)))
      },
    }
  }
  const place: Call = (app, caller) => app.execute(Ordering, order(caller).orderId, 'place', order(caller))
  const publish: Call = (app, caller, expectedRevision) =>
    app.publish(OrderCreated(order(caller)), { expectedRevision })
  const at64 = `${CALLERS} callers, each with an order of its own`
  const contenders: Contender[] = [
    one('hodisa execute', 'hodisa publish', `app.execute, ${at64}`, [CALLERS, many], place),
    one('hodisa publish', 'hodisa publish', `app.publish with expectedRevision, ${at64}`, [CALLERS, many], publish),
    one('hodisa execute single', 'hodisa publish single', 'one command after the other', [1, few], place),
    one('hodisa publish single', 'hodisa publish single', 'one event after the other', [1, few], publish),
  ]
  return { bench: 'execute', unit: 'commands/s', rows: await compete(settings, contenders, quick ? 1 : 5) }
}

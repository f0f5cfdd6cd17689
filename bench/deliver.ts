import { storeAt } from './engine.ts'
import { type App, type HandlerContext, hodisa, type RecordedOf, type ServiceOptions } from './hodisa.ts'
import { type Contender, compete, type Report, rate, type Settings } from './measure.ts'
import { OrderCreated, order, STREAMS } from './sample.ts'

/** Events of one write while a log is filled. */
const FILL = 500
/** Keys of the events whose handlers write. */
const KEYS = 100

type Handle = (event: RecordedOf<typeof OrderCreated>, ctx: HandlerContext) => void | Promise<void>

/** Events handed to a handler a second, from a log that was filled before. */
export async function deliver(settings: Settings): Promise<Report> {
  const { quick, engine } = settings
  const many = quick ? 20_000 : 100_000
  const few = quick ? 500 : 3_000

  const ours = (who: string, backlog: Backlog, options: ServiceOptions, handle: Handle): Contender => ({
    who,
    durability: 'checkpoint fsynced every 25 ms',
    round: async (place) => {
      await using app = await hodisa({ source: 'bench', store: storeAt(engine.name, place), events: [OrderCreated] })
      await fill(app, backlog)
      const { events } = backlog
      let handled = 0
      const all = Promise.withResolvers<void>()
      app.service('bench', { from: 'start', ...options }).on(OrderCreated, (event, ctx) => {
        const running = handle(event, ctx)
        const done = () => {
          if (++handled === events) all.resolve()
        }
        if (running === undefined) done()
        else return running.then(done)
      })
      const reached = await rate(events, async () => {
        await app.start()
        await all.promise
      })
      await app.settled({ timeout: '10s' })
      if (handled !== events) throw new Error(`${handled} events were handled instead of ${events}`)
      return reached
    },
  })
  const commits = (who: string, concurrency: number, note: string): Contender => ({
    ...ours(who, { events: few, keys: KEYS, stock: true }, { concurrency }, ({ data }, ctx) =>
      ctx.commit(async (tx) => {
        await tx.sql`update stock set on_hand = on_hand - 1 where sku = ${data.orderId}`
      }),
    ),
    durability: 'effect and done mark in one transaction, fsync',
    against: 'raw commit',
    note,
  })

  const contenders: Contender[] = [
    {
      ...ours('hodisa', { events: many, keys: STREAMS }, {}, () => undefined),
      note: 'synchronous handler, one key at a time',
    },
    {
      ...ours('hodisa async', { events: many, keys: STREAMS }, { concurrency: 100 }, async () => undefined),
      note: 'asynchronous handler, 100 keys at a time',
    },
    commits('hodisa commit', 1, 'ctx.commit with an update, one key at a time'),
    commits('hodisa commit 100', 100, 'ctx.commit with an update, 100 keys at a time'),
    ...engine.others.deliver(settings),
  ]
  return { bench: 'deliver', unit: 'events/s', rows: await compete(settings, contenders, quick ? 1 : 3) }
}

interface Backlog {
  readonly events: number
  readonly keys: number
  /** Whether there is something for handlers to write to. */
  readonly stock?: boolean
}

async function fill(app: App, { events, keys, stock = false }: Backlog): Promise<void> {
  for (let from = 0; from < events; from += FILL) {
    const size = Math.min(FILL, events - from)
    await app.publish(Array.from({ length: size }, (_, index) => OrderCreated(order((from + index) % keys))))
  }
  if (!stock) return
  await app.transaction(async (tx) => {
    await tx.sql`create table stock (sku varchar(20) primary key, on_hand integer not null)`
    for (let key = 0; key < keys; key++) await tx.sql`insert into stock values (${order(key).orderId}, 1000000)`
  })
}

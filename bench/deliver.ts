import { join } from 'node:path'
import { emmett } from './emmett.ts'
import { type App, type HandlerContext, hodisa, type RecordedOf, type ServiceOptions, sqlite } from './hodisa.ts'
import { type Contender, compete, only, type Report, rate, type Settings } from './measure.ts'
import { Raw } from './raw.ts'
import { OrderCreated, order } from './sample.ts'

const PAGE = 500
/** Events of one write while a log is filled. */
const FILL = 500

type Handle = (event: RecordedOf<typeof OrderCreated>, ctx: HandlerContext) => void | Promise<void>

/** Events handed to a handler a second, from a log that was filled before. */
export async function deliver({ quick }: Settings): Promise<Report> {
  const many = quick ? 20_000 : 100_000
  const few = quick ? 500 : 3_000
  const some = quick ? 5_000 : 20_000

  const ours = (who: string, events: number, options: ServiceOptions, handle: Handle): Contender => ({
    who,
    durability: 'checkpoint fsynced every 25 ms',
    round: async (folder) => {
      await using app = await filled(folder, events)
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
  const commits = (who: string, options: ServiceOptions): Contender => ({
    ...ours(who, few, options, (event, ctx) =>
      ctx.commit(async (tx) => {
        await tx.sql`create table if not exists effects (id text)`
        await tx.sql`insert into effects (id) values (${event.id})`
      }),
    ),
    durability: 'effect and done mark in one transaction, fsync',
    against: 'raw commit',
  })

  const rows = await compete(
    [
      { ...ours('hodisa', many, {}, () => undefined), note: 'synchronous handler, one key at a time' },
      {
        ...ours('hodisa async', many, { concurrency: 100 }, async () => undefined),
        note: 'asynchronous handler, 100 keys at a time',
      },
      { who: 'raw', durability: 'reads only', note: `pages of ${PAGE} rows, all columns`, round: rawReads(many) },
      {
        who: 'emmett',
        durability: 'checkpoint of each event, one fsync a page',
        note: `consumer with pages of ${PAGE}, polling every ms`,
        round: async (folder) => only(await emmett({ what: 'deliver', events: some }, folder)),
      },
      { ...commits('hodisa commit', { concurrency: 1 }), note: 'ctx.commit with an insert, one key at a time' },
      { ...commits('hodisa commit 100', { concurrency: 100 }), note: 'ctx.commit with an insert, 100 keys at a time' },
      {
        who: 'raw commit',
        against: 'raw commit',
        durability: 'fsync',
        note: 'the same two inserts in a transaction each',
        round: rawCommits(few),
      },
    ],
    quick ? 1 : 3,
  )
  return { bench: 'deliver', unit: 'events/s', rows }
}

async function filled(folder: string, events: number): Promise<App> {
  const app = await hodisa({ source: 'bench', store: sqlite(join(folder, 'h.db')), events: [OrderCreated] })
  for (let from = 0; from < events; from += FILL) {
    const size = Math.min(FILL, events - from)
    await app.publish(Array.from({ length: size }, (_, index) => OrderCreated(order(from + index))))
  }
  return app
}

function rawReads(events: number) {
  return async (folder: string) => {
    const raw = new Raw(folder)
    raw.append(events, FILL)
    const page = raw.db.prepare<[number, number]>('select * from events where position > ? order by position limit ?')
    const reached = await rate(events, () => {
      for (let after = 0; after < events; after += PAGE) page.all(after, PAGE)
    })
    raw.close()
    return reached
  }
}

function rawCommits(events: number) {
  return async (folder: string) => {
    const raw = new Raw(folder)
    raw.db.exec('create table effects (id text); create table done (position integer primary key)')
    const effect = raw.db.prepare('insert into effects (id) values (?)')
    const done = raw.db.prepare('insert into done (position) values (?)')
    const commit = raw.db.transaction((index: number) => {
      effect.run(`evt_${index}`)
      done.run(index)
    })
    const reached = await rate(events, () => {
      for (let index = 0; index < events; index++) commit.immediate(index)
    })
    raw.close()
    return reached
  }
}

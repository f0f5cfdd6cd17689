import { join } from 'node:path'
import { emmett as runEmmett } from './emmett.ts'
import { hodisa, sqlite } from './hodisa.ts'
import { type Contender, compete, concurrently, only, type Report, rate, type Settings } from './measure.ts'
import { Raw } from './raw.ts'
import { CheckedOrderCreated, OrderCreated, order } from './sample.ts'

const PUBLISHERS = 64

/** Events recorded a second, each known to be on disk before its publisher goes on. */
export async function append({ quick }: Settings): Promise<Report> {
  const many = quick ? 4_000 : 30_000
  const few = quick ? 500 : 4_000

  const ours = (
    who: string,
    against: string,
    callers: number,
    events: number,
    definition = OrderCreated,
  ): Contender => ({
    who,
    against,
    durability: 'fsync',
    round: async (folder) => {
      await using app = await hodisa({ source: 'bench', store: sqlite(join(folder, 'h.db')), events: [definition] })
      return await rate(events, () => concurrently(callers, events, (index) => app.publish(definition(order(index)))))
    },
  })
  const raw = (who: string, events: number, batch: number, indexed: boolean): Contender => ({
    who,
    durability: 'fsync',
    against: who,
    note: `transactions of ${batch}${indexed ? ', with indexes by id and by stream' : ', no index but the key'}`,
    round: async (folder) => {
      const db = new Raw(folder)
      if (indexed) db.addIndexes()
      const reached = await rate(events, () => db.append(events, batch))
      db.close()
      return reached
    },
  })
  const emmett = (who: string, callers: number): Contender => ({
    who,
    durability: 'fsync',
    round: async (folder) => only(await runEmmett({ what: 'append', callers, ms: quick ? 500 : 2_000 }, folder)),
  })

  const rows = await compete(
    [
      { ...ours('hodisa', 'raw', PUBLISHERS, many), note: `${PUBLISHERS} publishers, group commit` },
      { ...ours('hodisa zod', 'raw', PUBLISHERS, many, CheckedOrderCreated), note: 'the same, each event validated' },
      raw('raw', many, PUBLISHERS, false),
      { ...raw('raw indexed', many, PUBLISHERS, true), against: 'raw' },
      { ...emmett('emmett', 1), note: 'one call after the other, because it does not stand more at a time' },
      { ...emmett('emmett 64', PUBLISHERS), note: `${PUBLISHERS} callers at a time` },
      { ...ours('hodisa single', 'raw single', 1, few), note: 'one publisher, one event after the other' },
      raw('raw single', few, 1, false),
    ],
    quick ? 2 : 5,
  )
  return { bench: 'append', unit: 'events/s', rows }
}

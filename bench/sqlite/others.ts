import { emmett } from '../emmett.ts'
import type { Load, Timings } from '../engine.ts'
import { type Contender, now, paced, rate, type Settings, single } from '../measure.ts'
import { evolve, NOTHING } from '../sample.ts'
import { folding, STREAM, STREAM_LENGTH } from '../stream.ts'
import { Raw } from './raw.ts'

/** Rows of a read, and of a write while a log is filled. */
const PAGE = 500
/** Keys of what is written to. */
const KEYS = 100

export function append({ quick }: Settings): readonly Contender[] {
  const many = quick ? 4_000 : 30_000
  const few = quick ? 500 : 4_000
  const raw = (who: string, events: number, batch: number, indexed = false): Contender => ({
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
  const peer = (who: string, callers: number, note: string): Contender => ({
    who,
    durability: 'fsync',
    note,
    round: async (folder) =>
      single(await emmett('sqlite', folder, { what: 'append', callers, ms: quick ? 500 : 2_000 })),
  })
  return [
    raw('raw', many, 64),
    { ...raw('raw indexed', many, 64, true), against: 'raw' },
    raw('raw batch', many, PAGE),
    raw('raw single', few, 1),
    peer('emmett', 1, 'one call after the other, because it does not stand more at a time'),
    peer('emmett 64', 64, '64 callers at a time'),
  ]
}

export function deliver({ quick }: Settings): readonly Contender[] {
  const many = quick ? 20_000 : 100_000
  const few = quick ? 500 : 3_000
  const some = quick ? 5_000 : 20_000
  return [
    { who: 'raw', durability: 'reads only', note: `pages of ${PAGE} rows, all columns`, round: reads(many) },
    {
      who: 'emmett',
      durability: 'checkpoint of each event, one fsync a page',
      note: `consumer with pages of ${PAGE}, polling every ms`,
      round: async (folder) => single(await emmett('sqlite', folder, { what: 'deliver', events: some })),
    },
    {
      who: 'raw commit',
      against: 'raw commit',
      durability: 'fsync',
      note: 'the same update and a done mark in a transaction each',
      round: commits(few),
    },
  ]
}

export function latency(_: Settings, { events, perSecond }: Load): readonly Timings[] {
  return [
    {
      who: 'raw',
      durability: 'fsync',
      note: 'the insert alone, one transaction each',
      times: async (folder) => {
        const raw = new Raw(folder)
        const times: number[] = []
        await paced(perSecond, events, () => {
          const start = now()
          raw.append(1, 1)
          times.push(now() - start)
        })
        raw.close()
        return times
      },
    },
    {
      who: 'emmett',
      durability: 'fsync',
      note: '50 events/s; its consumer waits 100 to 1,000 ms where it found nothing',
      times: (folder) => emmett('sqlite', folder, { what: 'latency', events: events / 10, perSecond: perSecond / 10 }),
    },
  ]
}

export function rebuild({ quick }: Settings): readonly Contender[] {
  const times = quick ? 2 : 10
  return [
    {
      who: 'raw',
      durability: 'reads only',
      note: 'rows of the stream by an index, JSON.parse of the data',
      round: async (folder) => {
        const raw = new Raw(folder).addIndexes()
        raw.append(STREAM_LENGTH, PAGE, 1)
        const rows = raw.db.prepare<[string], { data: string }>(
          'select * from events where stream = ? order by revision',
        )
        const reached = await folding(times, () => {
          let state = NOTHING
          for (const { data } of rows.all(STREAM)) state = evolve(state, JSON.parse(data))
          return state
        })
        raw.close()
        return reached
      },
    },
    {
      who: 'emmett',
      durability: 'reads only',
      note: 'aggregateStream, all events at once',
      round: async (folder) =>
        single(await emmett('sqlite', folder, { what: 'rebuild', events: STREAM_LENGTH, times })),
    },
  ]
}

function reads(events: number) {
  return async (folder: string) => {
    const raw = new Raw(folder)
    raw.append(events, PAGE)
    const page = raw.db.prepare<[number, number]>('select * from events where position > ? order by position limit ?')
    const reached = await rate(events, () => {
      for (let after = 0; after < events; after += PAGE) page.all(after, PAGE)
    })
    raw.close()
    return reached
  }
}

function commits(events: number) {
  return async (folder: string) => {
    const raw = new Raw(folder)
    raw.db.exec(`
      create table stock (sku varchar(20) primary key, on_hand integer not null);
      create table done (position integer primary key);
    `)
    const stocked = raw.db.prepare('insert into stock values (?, 1000000)')
    for (let key = 0; key < KEYS; key++) stocked.run(`ord_${key}`)
    const effect = raw.db.prepare('update stock set on_hand = on_hand - 1 where sku = ?')
    const done = raw.db.prepare('insert into done (position) values (?)')
    const commit = raw.db.transaction((index: number) => {
      effect.run(`ord_${index % KEYS}`)
      done.run(index)
    })
    const reached = await rate(events, () => {
      for (let index = 0; index < events; index++) commit.immediate(index)
    })
    raw.close()
    return reached
  }
}

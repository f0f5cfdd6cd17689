import pg from 'pg'
import { emmett } from '../emmett.ts'
import type { Load, Timings } from '../engine.ts'
import { type Contender, concurrently, now, paced, rate, type Settings, single } from '../measure.ts'
import { evolve, NOTHING, order } from '../sample.ts'
import { folding, STREAM, STREAM_LENGTH } from '../stream.ts'
import { PgBoss } from './pg-boss.ts'
import { Raw } from './raw.ts'

/** Rows of a read, events of a large write, jobs of a batch. */
const PAGE = 500
/** As many as a store of Hodisa has by default, all in all. */
const CONNECTIONS = 10
/** Keys of what is written to. */
const KEYS = 100

export function append({ quick }: Settings): readonly Contender[] {
  const many = quick ? 4_000 : 30_000
  const few = quick ? 500 : 4_000
  const raw = (who: string, events: number, batch: number): Contender => ({
    who,
    against: who,
    durability: 'fsync',
    note: batch === 1 ? 'one connection, an insert each' : `one connection, unnest of ${batch}`,
    round: async (url) => {
      await using raw = await Raw.open(url)
      return await rate(events, async () => {
        if (batch > 1) return raw.append(events, batch)
        for (let index = 0; index < events; index++) await raw.insert(index)
      })
    },
  })
  const peer = (who: string, callers: number): Contender => ({
    who,
    against: callers === 1 ? 'raw single' : 'raw',
    durability: 'fsync',
    note: callers === 1 ? 'one call after the other' : `${callers} callers at a time`,
    round: async (url) => single(await emmett('postgres', url, { what: 'append', callers, ms: quick ? 500 : 2_000 })),
  })
  const boss = (who: string, events: number, batch: number): Contender => ({
    who,
    against: batch === 1 ? 'raw single' : 'raw batch',
    durability: 'fsync',
    note: batch === 1 ? 'send, one after the other' : `insert of ${batch} at a time`,
    round: async (url) => {
      await using boss = await PgBoss.start(url)
      return await rate(events, async () => {
        for (let from = 0; from < events; from += batch) {
          if (batch === 1) await boss.send(order(from))
          else await boss.insert(Array.from({ length: batch }, (_, index) => order(from + index)))
        }
      })
    },
  })
  return [
    raw('raw', many, 64),
    raw('raw batch', many, PAGE),
    raw('raw single', few, 1),
    peer('emmett', 1),
    peer('emmett 32', 32),
    boss('pg-boss', few, 1),
    boss('pg-boss batch', many, PAGE),
  ]
}

export function deliver({ quick }: Settings): readonly Contender[] {
  const many = quick ? 20_000 : 100_000
  const few = quick ? 500 : 3_000
  const some = quick ? 2_000 : 10_000
  return [
    {
      who: 'raw',
      durability: 'reads only',
      note: `pages of ${PAGE} rows, all columns of the bare table`,
      round: async (url) => {
        await using raw = await Raw.open(url)
        await raw.append(many, PAGE)
        return await rate(many, async () => expect(await raw.readAll(PAGE), many))
      },
    },
    {
      who: 'pg-boss',
      durability: 'each job completed, one fsync a batch',
      note: `fetch and complete of ${PAGE} at a time, without the pauses of its workers`,
      round: async (url) => {
        await using boss = await PgBoss.start(url)
        for (let from = 0; from < some; from += PAGE) {
          await boss.insert(Array.from({ length: PAGE }, (_, index) => order(from + index)))
        }
        return await rate(some, async () => expect(await boss.drain(PAGE), some))
      },
    },
    {
      who: 'emmett',
      durability: 'checkpoint fsynced after each event',
      note: `consumer with pages of ${PAGE}, polling every ms`,
      round: async (url) => single(await emmett('postgres', url, { what: 'deliver', events: some })),
    },
    {
      who: 'raw commit',
      against: 'raw commit',
      durability: 'fsync',
      note: `begin, the same update, commit, on ${CONNECTIONS} connections`,
      round: (url) => commits(url, few),
    },
  ]
}

export function latency(_: Settings, { events, perSecond }: Load): readonly Timings[] {
  return [
    {
      who: 'raw',
      durability: 'fsync',
      note: 'the insert alone, one transaction each',
      times: async (url) => {
        await using raw = await Raw.open(url)
        const times: number[] = []
        let last: Promise<unknown> = Promise.resolve()
        await paced(perSecond, events, (index) => {
          const start = now()
          last = last.then(() => raw.insert(index)).then(() => times.push(now() - start))
        })
        await last
        return times
      },
    },
    {
      who: 'emmett',
      durability: 'fsync',
      note: 'its consumer, polling every ms',
      times: (url) => emmett('postgres', url, { what: 'latency', events, perSecond }),
    },
    {
      who: 'emmett 50',
      durability: 'fsync',
      note: 'the same at 50 events/s',
      times: (url) => emmett('postgres', url, { what: 'latency', events: events / 10, perSecond: perSecond / 10 }),
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
      round: async (url) => {
        await using raw = await Raw.open(url)
        await raw.client.query('create index on events (stream, revision)')
        await raw.append(STREAM_LENGTH, PAGE, { stream: STREAM })
        const read = {
          name: 'stream',
          text: 'select * from events where stream = $1 order by revision',
          values: [STREAM],
        }
        return await folding(times, async () => {
          let state = NOTHING
          const { rows } = await raw.client.query<{ data: string }>(read)
          for (const { data } of rows) state = evolve(state, JSON.parse(data))
          return state
        })
      },
    },
    {
      who: 'emmett',
      durability: 'reads only',
      note: 'aggregateStream, all events at once',
      round: async (url) => single(await emmett('postgres', url, { what: 'rebuild', events: STREAM_LENGTH, times })),
    },
  ]
}

/** Transactions a second of one update each. */
async function commits(url: string, events: number): Promise<number> {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS })
  pool.on('error', () => undefined) // its end is not waited for, and the database goes away
  try {
    await pool.query('create table stock (sku varchar(20) primary key, on_hand integer not null)')
    await pool.query(`insert into stock select 'ord_' || key, 1000000 from generate_series(0, ${KEYS - 1}) key`)
    const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => pool.connect()))
    const free = [...clients]
    const update = { name: 'update', text: 'update stock set on_hand = on_hand - 1 where sku = $1' }
    const reached = await rate(events, () =>
      concurrently(CONNECTIONS, events, async (index) => {
        const client = free.pop()
        if (client === undefined) throw new Error('there are as many connections as callers')
        await client.query('begin')
        await client.query({ ...update, values: [`ord_${index % KEYS}`] })
        await client.query('commit')
        free.push(client)
      }),
    )
    for (const client of clients) client.release()
    return reached
  } finally {
    await pool.end()
  }
}

function expect(found: number, wanted: number): void {
  if (found !== wanted) throw new Error(`${found} were read instead of ${wanted}`)
}

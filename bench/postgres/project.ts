import pg from 'pg'
import { type Backlog, orderAt } from '../backlog.ts'
import { evolve, NOTHING, type Order, type Total } from '../sample.ts'
import { Raw } from './raw.ts'

/** Rows of a read and of a transaction. */
const PAGE = 1_000

interface EventRow {
  readonly position: string
  readonly type: string
  readonly data: string
}

/** A log of orders, with the indexes that finding an event takes. */
export async function fill(url: string, backlog: Backlog): Promise<void> {
  await using raw = await Raw.open(url)
  await raw.client.query('create index on events (stream, revision)')
  await raw.append(backlog.events, PAGE, { orderOf: (index) => orderAt(backlog, index) })
}

/** Projects the log by hand: each page adds up in memory what it brings, and the database adds that to its rows. */
export async function projectRaw(url: string, took: (events: number) => void): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`
    create table totals (id text primary key, orders bigint not null, sum bigint not null);
    create table checkpoint (position bigint not null);
    insert into checkpoint values (0);
  `)
  for (let after = '0'; ; ) {
    const { rows } = await client.query<EventRow>({
      name: 'page',
      text: 'select position, type, data from events where position > $1 order by position limit $2',
      values: [after, PAGE],
    })
    const last = rows.at(-1)
    if (last === undefined) break
    const totals = new Map<string, Total>()
    for (const { data } of rows) {
      const parsed: Order = JSON.parse(data)
      totals.set(parsed.orderId, evolve(totals.get(parsed.orderId) ?? NOTHING, parsed))
    }
    await write(client, totals, last.position)
    after = last.position
    took(rows.length)
  }
  await client.end()
}

async function write(client: pg.Client, totals: ReadonlyMap<string, Total>, position: string): Promise<void> {
  const all = [...totals.values()]
  await client.query('begin')
  await client.query({
    name: 'upsert',
    text: `insert into totals select * from unnest($1::text[], $2::bigint[], $3::bigint[])
      on conflict (id) do update set orders = totals.orders + excluded.orders, sum = totals.sum + excluded.sum`,
    values: [[...totals.keys()], all.map(({ orders }) => orders), all.map(({ sum }) => sum)],
  })
  await client.query({ name: 'mark', text: 'update checkpoint set position = $1', values: [position] })
  await client.query('commit')
}

import pg from 'pg'
import { type Backlog, orderAt, type RawTarget } from '../backlog.ts'
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

/** Puts what the orders of a page bring to what there is; inside its transaction. */
type Keep = (orders: readonly Order[]) => Promise<void>

/** Documents, which are read, handled one event after the other, and written. */
async function documents(client: pg.Client): Promise<Keep> {
  await client.query('create table totals (id text primary key, document jsonb not null)')
  return async (orders) => {
    const ids = [...new Set(orders.map(({ orderId }) => orderId))]
    const { rows } = await client.query<{ id: string; document: Total }>({
      name: 'get',
      text: 'select id, document from totals where id = any ($1)',
      values: [ids],
    })
    const totals = new Map(rows.map(({ id, document }) => [id, document]))
    for (const order of orders) totals.set(order.orderId, evolve(totals.get(order.orderId) ?? NOTHING, order))
    await client.query({
      name: 'put',
      text: `insert into totals select * from unnest($1::text[], $2::jsonb[])
        on conflict (id) do update set document = excluded.document`,
      values: [ids, ids.map((id) => JSON.stringify(totals.get(id)))],
    })
  }
}

/** Sums of the page, which the database adds to its columns: nothing is read. */
async function columns(client: pg.Client): Promise<Keep> {
  await client.query('create table totals (id text primary key, orders bigint not null, sum bigint not null)')
  return async (orders) => {
    const totals = new Map<string, Total>()
    for (const order of orders) totals.set(order.orderId, evolve(totals.get(order.orderId) ?? NOTHING, order))
    const all = [...totals.values()]
    await client.query({
      name: 'upsert',
      text: `insert into totals select * from unnest($1::text[], $2::bigint[], $3::bigint[])
        on conflict (id) do update set orders = totals.orders + excluded.orders, sum = totals.sum + excluded.sum`,
      values: [[...totals.keys()], all.map(({ orders }) => orders), all.map(({ sum }) => sum)],
    })
  }
}

/** Projects the log by hand. */
export async function projectRaw(url: string, took: (events: number) => void, into: RawTarget): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('create table checkpoint (position bigint not null); insert into checkpoint values (0)')
  const keep = into === 'columns' ? await columns(client) : await documents(client)
  for (let after = '0'; ; ) {
    const { rows } = await client.query<EventRow>({
      name: 'page',
      text: 'select position, type, data from events where position > $1 order by position limit $2',
      values: [after, PAGE],
    })
    const last = rows.at(-1)
    if (last === undefined) break
    await client.query('begin')
    await keep(rows.map(({ data }) => JSON.parse(data) as Order))
    await client.query({ name: 'mark', text: 'update checkpoint set position = $1', values: [last.position] })
    await client.query('commit')
    after = last.position
    took(rows.length)
  }
  await client.end()
}

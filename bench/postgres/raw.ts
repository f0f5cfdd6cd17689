import pg from 'pg'
import { type Order, order, streamOf, TYPE } from '../sample.ts'

const COLUMNS = 'id, type, stream, revision, data'

/** The driver alone, with prepared statements, a bare table of events and no index but the key: what there is to reach. */
export class Raw {
  readonly client: pg.Client

  private constructor(client: pg.Client) {
    this.client = client
  }

  static async open(url: string): Promise<Raw> {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query(`create table events (
      position bigint generated always as identity primary key, id text not null, type text not null, stream text, revision bigint,
      data text not null
    )`)
    return new Raw(client)
  }

  /** One event in a transaction of its own. */
  async insert(index: number): Promise<void> {
    const data = order(index)
    await this.client.query({
      name: 'insert',
      text: `insert into events (${COLUMNS}) values ($1, $2, $3, $4, $5)`,
      values: [idOf(index), TYPE, streamOf(data), null, JSON.stringify(data)],
    })
  }

  /** Events in transactions of `batch` events, each of one statement; all of them in one stream where it is named. */
  async append(
    events: number,
    batch: number,
    { stream, orderOf = order }: { stream?: string; orderOf?: (index: number) => Order } = {},
  ): Promise<void> {
    for (let from = 0; from < events; from += batch) {
      const indexes = Array.from({ length: Math.min(batch, events - from) }, (_, index) => from + index)
      const orders = indexes.map(orderOf)
      await this.client.query({
        name: 'append',
        text: `insert into events (${COLUMNS}) select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[])`,
        values: [
          indexes.map(idOf),
          indexes.map(() => TYPE),
          orders.map((data) => stream ?? streamOf(data)),
          indexes.map((index) => (stream === undefined ? null : index + 1)),
          orders.map((data) => JSON.stringify(data)),
        ],
      })
    }
  }

  /** Reads all rows in pages; resolves with how many there were. */
  async readAll(page: number): Promise<number> {
    let read = 0
    for (let after = '0'; ; ) {
      const { rows } = await this.client.query<{ position: string }>({
        name: 'page',
        text: 'select * from events where position > $1 order by position limit $2',
        values: [after, page],
      })
      read += rows.length
      const last = rows.at(-1)
      if (last === undefined) return read
      after = last.position
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.end()
  }
}

/** As long as those of Hodisa, and rising as they do. */
function idOf(index: number): string {
  return `evt_${String(index).padStart(26, '0')}`
}

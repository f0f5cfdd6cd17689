import { join } from 'node:path'
import Database from 'better-sqlite3'
import { type Backlog, orderAt, type RawTarget } from '../backlog.ts'
import { evolve, NOTHING, type Order, type Total } from '../sample.ts'
import { Raw } from './raw.ts'

/** Rows of a read and of a transaction. */
const PAGE = 1_000

interface EventRow {
  readonly position: number
  readonly type: string
  readonly data: string
}

/** A log of orders, with the indexes that finding an event takes. */
export async function fill(folder: string, backlog: Backlog): Promise<void> {
  const raw = new Raw(folder).addIndexes()
  raw.append(backlog.events, PAGE, backlog.documents, (index) => orderAt(backlog, index))
  raw.close()
}

/** Puts what the orders of a page bring to what there is; inside its transaction. */
type Keep = (orders: readonly Order[]) => void

/** Documents, which are read, handled one event after the other, and written. */
function documents(db: Database.Database): Keep {
  db.exec('create table totals (id text primary key, document text not null) without rowid')
  const get = db.prepare<[string], string>('select document from totals where id = ?').pluck()
  const put = db.prepare<[string, string]>(
    'insert into totals values (?, ?) on conflict do update set document = excluded.document',
  )
  return (orders) => {
    const totals = new Map<string, Total>()
    for (const order of orders) {
      let total = totals.get(order.orderId)
      if (total === undefined) {
        const text = get.get(order.orderId)
        total = text === undefined ? NOTHING : (JSON.parse(text) as Total)
      }
      totals.set(order.orderId, evolve(total, order))
    }
    for (const [id, total] of totals) put.run(id, JSON.stringify(total))
  }
}

/** Sums of the page, which the database adds to its columns: nothing is read. */
function columns(db: Database.Database): Keep {
  db.exec('create table totals (id text primary key, orders integer not null, sum integer not null) without rowid')
  const upsert = db.prepare<[string, number, number]>(`
    insert into totals values (?, ?, ?)
    on conflict do update set orders = orders + excluded.orders, sum = sum + excluded.sum
  `)
  return (orders) => {
    const totals = new Map<string, Total>()
    for (const order of orders) totals.set(order.orderId, evolve(totals.get(order.orderId) ?? NOTHING, order))
    for (const [id, { orders, sum }] of totals) upsert.run(id, orders, sum)
  }
}

/** Projects the log by hand. */
export async function projectRaw(folder: string, took: (events: number) => void, into: RawTarget): Promise<void> {
  const db = new Database(join(folder, 'raw.db'))
  db.pragma('synchronous = full')
  db.exec('create table checkpoint (position integer not null); insert into checkpoint values (0)')
  const keep = into === 'columns' ? columns(db) : documents(db)
  const page = db.prepare<[number, number], EventRow>(
    'select position, type, data from events where position > ? order by position limit ?',
  )
  const mark = db.prepare<[number]>('update checkpoint set position = ?')
  const write = db.transaction((orders: readonly Order[], position: number) => {
    keep(orders)
    mark.run(position)
  })
  for (let after = 0; ; ) {
    const rows = page.all(after, PAGE)
    const last = rows.at(-1)
    if (last === undefined) break
    write.immediate(
      rows.map(({ data }) => JSON.parse(data) as Order),
      last.position,
    )
    after = last.position
    took(rows.length)
  }
  db.close()
}

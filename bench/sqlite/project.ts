import { join } from 'node:path'
import Database from 'better-sqlite3'
import { type Backlog, orderAt } from '../backlog.ts'
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

/** Projects the log by hand: each page adds up in memory what it brings, and the database adds that to its rows. */
export async function projectRaw(folder: string, took: (events: number) => void): Promise<void> {
  const db = new Database(join(folder, 'raw.db'))
  db.pragma('synchronous = full')
  db.exec(`
    create table totals (id text primary key, orders integer not null, sum integer not null) without rowid;
    create table checkpoint (position integer not null);
    insert into checkpoint values (0);
  `)
  const page = db.prepare<[number, number], EventRow>(
    'select position, type, data from events where position > ? order by position limit ?',
  )
  const upsert = db.prepare<[string, number, number]>(`
    insert into totals values (?, ?, ?)
    on conflict do update set orders = orders + excluded.orders, sum = sum + excluded.sum
  `)
  const mark = db.prepare<[number]>('update checkpoint set position = ?')
  const write = db.transaction((totals: ReadonlyMap<string, Total>, position: number) => {
    for (const [id, { orders, sum }] of totals) upsert.run(id, orders, sum)
    mark.run(position)
  })
  for (let after = 0; ; ) {
    const rows = page.all(after, PAGE)
    const last = rows.at(-1)
    if (last === undefined) break
    const totals = new Map<string, Total>()
    for (const { data } of rows) {
      const parsed: Order = JSON.parse(data)
      totals.set(parsed.orderId, evolve(totals.get(parsed.orderId) ?? NOTHING, parsed))
    }
    write.immediate(totals, last.position)
    after = last.position
    took(rows.length)
  }
  db.close()
}

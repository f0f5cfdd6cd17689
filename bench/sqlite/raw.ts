import { join } from 'node:path'
import Database from 'better-sqlite3'
import { type Order, order, STREAMS, streamOf, TYPE } from '../sample.ts'

/** The driver alone, with a table of events and one of streams: what there is to reach. */
export class Raw {
  readonly db: Database.Database
  readonly #event: Database.Statement
  readonly #stream: Database.Statement

  constructor(folder: string) {
    this.db = new Database(join(folder, 'raw.db'))
    this.db.pragma('journal_mode = wal')
    this.db.pragma('synchronous = full')
    this.db.exec(`
      create table events (
        position integer primary key autoincrement, id text not null, type text not null, version integer not null,
        kind integer not null, timestamp integer not null, recorded_at integer not null, bucket integer not null,
        stream text, revision integer, previous integer, "key" text, source text not null, correlation_id text,
        causation_id text, data text not null, metadata text, tenant text not null default '', subject text, tags text,
        encoding text, expires_at integer
      );
      create table streams (stream text primary key, revision integer not null, timestamp integer not null) without rowid;
    `)
    this.#event = this.db.prepare(
      `insert into events (id, type, version, kind, timestamp, recorded_at, bucket, stream, revision, source, data)
       values (?, ?, 1, 0, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.#stream = this.db.prepare(
      `insert into streams values (?, ?, ?)
       on conflict do update set revision = excluded.revision, timestamp = excluded.timestamp`,
    )
  }

  /** The indexes that finding an event by its id and by its stream takes. */
  addIndexes(): this {
    this.db.exec('create index by_id on events (id); create index by_stream on events (stream, revision);')
    return this
  }

  /** Writes events in transactions of `batch` events. */
  append(events: number, batch: number, streams = STREAMS, orderOf = order): void {
    const write = this.db.transaction((from: number, to: number) => {
      for (let index = from; index < to; index++) this.#write(index, streams, orderOf(index))
    })
    for (let from = 0; from < events; from += batch) write.immediate(from, Math.min(events, from + batch))
  }

  #write(index: number, streams: number, data: Order): void {
    const now = Date.now()
    const stream = streams === 1 ? 'order-one' : streamOf(data)
    const revision = Math.floor(index / streams) + 1
    // Ids as long as those of Hodisa, and rising as they do.
    const id = `evt_${String(index).padStart(26, '0')}`
    this.#event.run(id, TYPE, now, now, index % 256, stream, revision, 'bench', JSON.stringify(data))
    this.#stream.run(stream, revision, now)
  }

  close(): void {
    this.db.close()
  }
}

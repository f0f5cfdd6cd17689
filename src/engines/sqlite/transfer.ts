import type { Statement } from 'better-sqlite3'
import { HodisaError } from '../../errors.ts'
import type { DocumentWrite } from '../../store/documents.ts'
import { kindNumber } from '../../store/event-row.ts'
import type { StoredEvent } from '../../store/events.ts'
import { columnsOf, TRANSFERRED, type Transfer, type TransferRow, type TransferTable } from '../../store/transfer.ts'
import { Collections, tableName } from './collections.ts'
import type { Connection } from './connection.ts'
import type { Reader } from './reader.ts'
import { STORED_COLUMNS } from './rows.ts'
import { tuples, values } from './statements.ts'
import { TransferChain } from './transfer-chain.ts'
import type { Writer } from './writer.ts'

/** The key of each table, in the order of its rows. */
const KEYS: Readonly<Record<TransferTable, readonly string[]>> = {
  streams: ['stream', 'tenant'],
  givenIds: ['tenant', 'id'],
  done: ['service', 'position'],
  started: ['service', 'position'],
  cursors: ['service', 'key'],
  deadLetters: ['id'],
}

/** All of the store, row by row. */
export class SqliteTransfer implements Transfer {
  readonly #connection: Connection
  readonly #writer: Writer
  readonly #reader: Reader
  readonly #changed: () => void
  readonly #chain: TransferChain
  readonly #insert: Statement<unknown[]>

  /** @param changed is called where what the log's own writer remembers may be outdated */
  constructor(connection: Connection, writer: Writer, reader: Reader, changed: () => void) {
    this.#connection = connection
    this.#writer = writer
    this.#reader = reader
    this.#changed = changed
    this.#chain = new TransferChain(connection)
    const columns = `${STORED_COLUMNS}, previous`
    this.#insert = connection.prepare(
      `insert into hodisa_events (${columns}) values (${columns.replaceAll(/[^,]+/g, '?')})`,
    )
  }

  last(): Promise<number> {
    return this.#reader.read(() => lastOf(this.#reader.connection))
  }

  rows(table: TransferTable, after: TransferRow | undefined, limit: number): Promise<readonly TransferRow[]> {
    const columns = columnsOf(table).map(({ name }) => name)
    const key = KEYS[table].map(quoted).join(', ')
    const behind = after === undefined ? '' : `where (${key}) > (${KEYS[table].map(() => '?').join(', ')})`
    const sql = `select ${columns.map(quoted).join(', ')} from ${tableOf(table)} ${behind} order by ${key} limit ?`
    const place = after === undefined ? [] : KEYS[table].map((name) => after[columns.indexOf(name)] ?? null)
    return this.#reader.read(() =>
      tuples<unknown[], (string | number | null)[]>(this.#reader.connection, sql).all(...place, limit),
    )
  }

  documents(collection: string, after: string | undefined, limit: number): Promise<readonly DocumentWrite[]> {
    return this.#reader.readTogether(() => {
      const { connection } = this.#reader
      const table = new Collections(connection).get(collection)
      const keys = table.indexes.map((_, number) => `, key_${number}`).join('')
      const behind = after === undefined ? '' : 'where id > ?'
      const sql = `select id, data, expires_at${keys} from ${tableName(table)} ${behind} order by id limit ?`
      const rows = tuples<unknown[], [string, string, number | null, ...(string | null)[]]>(connection, sql)
      return rows.all(...(after === undefined ? [] : [after]), limit).map(([id, data, expiresAt, ...found]) => ({
        ...{ collection, id, data },
        keys: Object.fromEntries(table.indexes.flatMap((name, number) => pair(name, found[number]))),
        ...(expiresAt !== null && { expiresAt }),
      }))
    })
  }

  putEvents(after: number, events: readonly StoredEvent[], until: number): Promise<void> {
    return this.#writer.submit(3, 0, (effects) => {
      const last = lastOf(this.#connection)
      if (last !== after) {
        throw new HodisaError('copy-refused', `the last position is ${last}, not ${after}: somebody else writes there`)
      }
      for (const event of events) this.#insert.run(...this.#rowOf(event))
      moveSequence(this.#connection, until)
      this.#changed()
      effects.head = events.at(-1)?.position ?? 0
    })
  }

  put(table: TransferTable, rows: readonly TransferRow[]): Promise<void> {
    return this.#writer.submit(3, 0, () => {
      this.#changed()
      if (table === 'streams') {
        for (const [stream, tenant, revision, timestamp] of rows) {
          this.#chain.end(String(stream), String(tenant), Number(revision), Number(timestamp))
        }
        return
      }
      const columns = columnsOf(table).map(({ name }) => quoted(name))
      const put = this.#connection.prepare<unknown[]>(
        `insert or replace into ${tableOf(table)} (${columns.join(', ')}) values (${columns.map(() => '?').join(', ')})`,
      )
      for (const row of rows) put.run(...row)
    })
  }

  clear(table: TransferTable): Promise<void> {
    return this.#writer.submit(3, 0, () => {
      this.#connection.prepare(`delete from ${tableOf(table)}`).run()
    })
  }

  /** In the order of the columns. */
  #rowOf(event: StoredEvent): readonly unknown[] {
    const { position, id, type, version, kind, timestamp, recordedAt, bucket, stream, revision, key, source } = event
    const { correlationId, causationId, data, metadata, tenant, subject, tags, encoding, expiresAt } = event
    const previous =
      stream === null || revision === null
        ? null
        : this.#chain.add(stream, tenant ?? '', { revision, timestamp, position })
    return [
      ...[position, id, type, version, kindNumber(kind), timestamp, recordedAt, bucket, stream, revision, key],
      ...[source, correlationId === id ? null : correlationId, causationId, data, metadata, tenant ?? '', subject],
      ...[tags, encoding, expiresAt, previous],
    ]
  }
}

function lastOf(connection: Connection): number {
  const given = values<[], number>(connection, "select seq from sqlite_sequence where name = 'hodisa_events'").get()
  return given ?? 0
}

/** So that no position is given twice. */
function moveSequence(connection: Connection, until: number): void {
  const move = connection.prepare("update sqlite_sequence set seq = max(seq, ?) where name = 'hodisa_events'")
  if (move.run(until).changes > 0) return
  connection.prepare("insert into sqlite_sequence (name, seq) values ('hodisa_events', ?)").run(until)
}

function tableOf(table: TransferTable): string {
  return `main.hodisa_${TRANSFERRED[table].name}`
}

function quoted(name: string): string {
  return `"${name}"`
}

function pair(name: string, key: string | null | undefined): [string, string][] {
  return key === null || key === undefined ? [] : [[name, key]]
}

import Database from 'better-sqlite3'
import { Client } from 'pg'
import { databaseOf, isDatabase } from '../store.ts'

/** The rows of a query, and its end. */
interface Tables {
  rows<Row>(sql: string): Promise<Row[]>
  close(): Promise<void>
}

/** Reads what the services wrote beside the log: plain tables, open to any library. */
export class Effects {
  readonly #tables: Tables

  private constructor(tables: Tables) {
    this.#tables = tables
  }

  static async open(place: string): Promise<Effects> {
    return new Effects(isDatabase(place) ? await inDatabase(place) : inFile(place))
  }

  /** How many effects each service has had. */
  async counts(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#tables.rows<{ service: string; count: number }>(
      'select service, count(*) as count from effect group by service',
    )
    return new Map(rows.map(({ service, count }) => [service, count]))
  }

  /** The event of every effect, by service. */
  async byService(): Promise<(service: string) => readonly string[]> {
    const rows = await this.#tables.rows<{ service: string; event: string }>(
      'select service, event_id as event from effect',
    )
    const events = Map.groupBy(rows, ({ service }) => service)
    return (service) => (events.get(service) ?? []).map(({ event }) => event)
  }

  close(): Promise<void> {
    return this.#tables.close()
  }
}

function inFile(path: string): Tables {
  const database = new Database(path, { readonly: true })
  return {
    rows: async <Row>(sql: string) => database.prepare<unknown[], Row>(sql).all(),
    close: async () => void database.close(),
  }
}

async function inDatabase(place: string): Promise<Tables> {
  const client = new Client({ connectionString: databaseOf(place).url, application_name: 'shop-supervisor' })
  client.on('error', () => undefined) // the next query tells
  await client.connect()
  // The figures of the shop are all far from where numbers of 64 bits become inexact.
  client.setTypeParser(20, Number)
  return {
    rows: async <Row>(sql: string) => (await client.query(sql)).rows as Row[],
    close: () => client.end(),
  }
}

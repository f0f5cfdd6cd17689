import Database from 'better-sqlite3'

/** Reads what the services wrote beside the log: plain tables, open to any SQLite library. */
export class Effects {
  readonly #database: Database.Database
  readonly #counts = new Map<string, number>()
  #counted = 0

  constructor(store: string) {
    this.#database = new Database(store, { readonly: true })
  }

  /** How many effects each service has had. Reads only what is new since the last time. */
  counts(): ReadonlyMap<string, number> {
    const rows = this.#rows<{ service: string; count: number; last: number }>(
      'select service, count(*) as count, max(id) as last from effect where id > ? group by service',
      this.#counted,
    )
    for (const { service, count, last } of rows) {
      this.#counts.set(service, (this.#counts.get(service) ?? 0) + count)
      this.#counted = Math.max(this.#counted, last)
    }
    return this.#counts
  }

  /** The event of every effect a service has had. */
  of(service: string): string[] {
    const rows = this.#rows<{ event: string }>('select event_id as event from effect where service = ?', service)
    return rows.map(({ event }) => event)
  }

  netUnits(): number {
    return this.#rows<{ units: number }>('select coalesce(sum(units), 0) as units from stock')[0]?.units ?? 0
  }

  /** In thousandths of a pound, the largest first. */
  revenue(): { country: string; thousandths: number }[] {
    return this.#rows('select country, thousandths from revenue order by thousandths desc, country')
  }

  close(): void {
    this.#database.close()
  }

  #rows<Row>(sql: string, ...values: unknown[]): Row[] {
    return this.#database.prepare<unknown[], Row>(sql).all(...values)
  }
}

import type { InlineProjection } from '../../store/events.ts'
import { coverOf, type InlineCover } from '../../store/inline.ts'
import type { Database } from './database.ts'

type InlineRow = [name: string, types: string, version: number]

/** The registry of inline projections, as this process knows it. Appends say at which version; the server refuses an older one. */
export class Inlines {
  readonly #database: Database
  #projections: readonly InlineProjection[] = []
  #registered: readonly InlineCover[] = []
  #version = 0
  #seenAt = 0

  constructor(database: Database) {
    this.#database = database
  }

  get registered(): readonly InlineCover[] {
    return this.#registered
  }

  get version(): number {
    return this.#version
  }

  /** Monotonic ms of a moment when it was so. */
  get seenAt(): number {
    return this.#seenAt
  }

  async refresh(): Promise<readonly InlineProjection[]> {
    const seenAt = performance.now()
    const rows = await this.#database.query<InlineRow>(
      'select name, types, version from hodisa.inline_projections order by name',
    )
    this.#projections = rows
      .map(([name, types]) => ({ name, types: JSON.parse(types) as string[] }))
      .filter(({ types }) => types.length > 0)
    this.#registered = this.#projections.map(coverOf)
    this.#version = Math.max(0, ...rows.map(([, , version]) => version))
    this.#seenAt = seenAt
    return this.#projections
  }

  /** A removed one stays as a row without types, so that the version rises. */
  async set(projection: InlineProjection): Promise<void> {
    coverOf(projection)
    await this.#database.query(
      `insert into hodisa.inline_projections (name, types) values ($1, $2)
       on conflict (name) do update set types = excluded.types, version = excluded.version`,
      [projection.name, JSON.stringify(projection.types)],
    )
    await this.refresh()
  }
}

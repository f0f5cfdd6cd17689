import type { Statement } from 'better-sqlite3'
import type { InlineProjection } from '../../store/events.ts'
import { coverOf, type InlineCover } from '../../store/inline.ts'
import { storedJson } from '../../store/stored-json.ts'
import type { Connection } from './connection.ts'

type Row = [name: string, types: string]

/**
 * The inline projections that every writer must know, through one connection, inside a transaction that somebody else began.
 * They are read again only when another connection may have written.
 */
export class Inlines {
  readonly #connection: Pick<Connection, 'prepare'>
  readonly #list: Statement<[], Row>
  #known: readonly InlineCover[] | undefined
  #parsed: { readonly text: string; readonly covers: readonly InlineCover[] } = { text: '[]', covers: [] }

  constructor(connection: Pick<Connection, 'prepare'>) {
    this.#connection = connection
    this.#list = connection
      .prepare('select name, types from main.hodisa_inlines order by name')
      .raw() as unknown as Statement<[], Row>
  }

  forget(): void {
    this.#known = undefined
  }

  get registered(): readonly InlineCover[] {
    this.#known ??= this.#read()
    return this.#known
  }

  list(): InlineProjection[] {
    return this.#list.all().map(projectionOf)
  }

  /** Registers it, or removes one without types. @throws {HodisaError} `invalid-name` */
  set(projection: InlineProjection): void {
    const { name, types } = projection
    coverOf(projection)
    if (types.length === 0) this.#connection.prepare('delete from main.hodisa_inlines where name = ?').run(name)
    else {
      const put = `insert into main.hodisa_inlines (name, types) values (?, ?)
        on conflict (name) do update set types = excluded.types`
      this.#connection.prepare(put).run(name, JSON.stringify(types))
    }
    this.forget()
  }

  /** Patterns are parsed again only where they have changed. */
  #read(): readonly InlineCover[] {
    const rows = this.#list.all()
    const text = JSON.stringify(rows)
    if (text !== this.#parsed.text) this.#parsed = { text, covers: rows.map((row) => coverOf(projectionOf(row))) }
    return this.#parsed.covers
  }
}

function projectionOf([name, types]: Row): InlineProjection {
  return { name, types: storedJson(types, 'types', `inline projection ${name}`) }
}

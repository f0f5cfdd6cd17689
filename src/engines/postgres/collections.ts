import { assertCollection, collectionUnknown } from '../../store/collection.ts'
import type { Collection } from '../../store/documents.ts'
import { storedJson } from '../../store/stored-json.ts'
import type { Database, Session } from './database.ts'

/** A collection and where it stands. Names never become part of a statement: its tables and columns have numbers. */
export interface Table extends Collection {
  readonly number: number
  /** `indexes`, as the registry has it. */
  readonly shape: string
}

type Row = [name: string, number: number, indexes: string]

const FIND = 'select name, number, indexes from hodisa.collections where name = $1'
const LIST = 'select name, number, indexes from hodisa.collections order by name'

/**
 * The collections as this process knows them. Others may define and drop at any time, so whoever uses a table makes sure that it
 * is still so, and else forgets it and asks again.
 */
export class Collections {
  readonly #known = new Map<string, Table>()

  /** @throws {HodisaError} `collection-unknown` */
  async get(name: string, session: Pick<Session, 'query'>): Promise<Table> {
    const known = this.#known.get(name) ?? (await this.find(name, session))
    if (known === undefined) throw collectionUnknown(name)
    return known
  }

  /** The same, asking again where one of the indexes is not known. */
  async having(name: string, indexes: Iterable<string>, session: Pick<Session, 'query'>): Promise<Table> {
    const table = await this.get(name, session)
    for (const index of indexes) {
      if (table.indexes.includes(index)) continue
      this.forget(name)
      return this.get(name, session)
    }
    return table
  }

  /** As it is now. */
  async find(name: string, session: Pick<Session, 'query'>): Promise<Table | undefined> {
    const [row] = await session.query<Row>(FIND, [name])
    if (row === undefined) {
      this.#known.delete(name)
      return undefined
    }
    const table = tableOf(row)
    this.#known.set(name, table)
    return table
  }

  forget(name: string): void {
    this.#known.delete(name)
  }
}

/** All of them, as they are now. */
export async function listTables(database: Database): Promise<readonly Table[]> {
  return (await database.query<Row>(LIST)).map(tableOf)
}

function tableOf([name, number, shape]: Row): Table {
  const indexes = storedJson<readonly string[]>(shape, 'indexes', `collection ${name}`)
  // The driver of an outbox may give the number as text.
  return { name, number: Number(number), shape, indexes }
}

/** Whether nothing is left to do for `define`. @throws {HodisaError} `invalid-name` */
export function isDefined(collection: Collection, table: Table | undefined): boolean {
  assertCollection(collection)
  return table !== undefined && collection.indexes.every((index) => table.indexes.includes(index))
}

export function tableName({ number }: Pick<Table, 'number'>): string {
  return `hodisa.documents_${number}`
}

/** The column of an index that the collection has. */
export function columnOf({ indexes }: Table, index: string): string {
  return `k${indexes.indexOf(index) + 1}`
}

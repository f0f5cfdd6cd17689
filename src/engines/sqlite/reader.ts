import type { Connection, Patience } from './connection.ts'
import { whenFree } from './connection.ts'
import { closed, isBusy, mapError } from './errors.ts'

/** The reading connection of a process. Every read is one synchronous step: no iterator stays open. */
export class Reader {
  readonly connection: Connection
  readonly #patience: Patience

  constructor(connection: Connection, patience: Patience) {
    this.connection = connection
    this.#patience = patience
  }

  async read<Result>(look: () => Result): Promise<Result> {
    if (!this.connection.open) throw closed(this.#patience.file)
    try {
      return look()
    } catch (error) {
      if (!isBusy(error)) throw mapError(error, this.#patience.file)
    }
    // Readers wait for nobody but a process that recovers the file after a crash.
    return this.#patiently(look)
  }

  /** Several statements that see the same state. */
  readTogether<Result>(look: () => Result): Promise<Result> {
    return this.read(() => {
      this.connection.exec('begin')
      try {
        return look()
      } finally {
        if (this.connection.inTransaction) this.connection.exec('commit')
      }
    })
  }

  async #patiently<Result>(look: () => Result): Promise<Result> {
    try {
      return await whenFree(this.#patience, look)
    } catch (error) {
      throw this.connection.open ? mapError(error, this.#patience.file) : closed(this.#patience.file)
    }
  }
}

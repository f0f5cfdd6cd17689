import type { Database, Session } from './database.ts'
import type { Tick } from './sequencer.ts'

const RECOGNISE = `select known, head, tick, mark
  from hodisa.recognise_process($1::bigint, $2::uuid, $3::text[])`

/** What was lost: positions above `head` were given, up to `seen`, and are given again. */
export interface Lost {
  readonly seen: number
  readonly head: number
}

/**
 * Makes sure, on every new connection, that the server has what this process has seen: after a failover it may be one that has
 * lost its last transactions. Then nothing that the process holds in memory may be written, for positions that it knows will be
 * those of other events: its instances are taken for dead, and it goes on as new ones.
 */
export class History {
  readonly #database: Database
  readonly #lost: (what: Lost) => void
  readonly #instances = new Set<string>()
  #newest: Tick | undefined

  constructor(database: Database, lost: (what: Lost) => void) {
    this.#database = database
    this.#lost = lost
    database.onNewcomer((session) => this.#check(session))
  }

  /** Which instances this process is. */
  get instances(): Pick<Set<string>, 'add' | 'delete'> {
    return this.#instances
  }

  /** The newest tick, where statements may reach a server that nobody has asked for it: behind a pooler, which keeps them meanwhile. */
  get unsure(): readonly [id: number, mark: string] | undefined {
    return this.#database.pooled === true && this.#newest !== undefined
      ? [this.#newest.id, this.#newest.mark]
      : undefined
  }

  /** What the server answered. */
  saw(tick: Tick): void {
    const newest = this.#newest
    if (newest === undefined || tick.id > newest.id) this.#newest = tick
    // Behind a pooler the server can become another one while connections to it stay.
    else if (tick.id < newest.id || tick.mark !== newest.mark) void this.#lookAgain()
  }

  /** What another process told, which may arrive late. */
  heard(tick: Tick): void {
    if (this.#newest === undefined || tick.id > this.#newest.id) this.#newest = tick
  }

  async #lookAgain(): Promise<void> {
    await this.#database.session((session) => this.#check(session)).catch(() => undefined) // the next tick finds it too
  }

  async #check(session: Session): Promise<void> {
    const seen = this.#newest
    if (seen === undefined) return
    const [row] = await session.query<[boolean, number, number, string]>(RECOGNISE, [
      seen.id,
      seen.mark,
      [...this.#instances],
    ])
    if (row === undefined || row[0]) return
    const [, head, id, mark] = row
    // Another connection may have found it at the same time.
    if (this.#newest !== seen) return
    this.#newest = { head, id, mark }
    this.#instances.clear()
    this.#lost({ seen: seen.head, head })
  }
}

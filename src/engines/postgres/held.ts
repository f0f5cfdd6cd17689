import type { Database, Session } from './database.ts'
import type { PgClient } from './driver.ts'
import { closed, isLost, mapError } from './errors.ts'

/** What follows a held connection. */
export interface HeldListener {
  /** A new connection, before anything else is sent on it. */
  connected?(session: Session, client: PgClient): Promise<void>
  /** It is gone. A new one is made with the next statement. */
  lost?(): void
}

/** One connection kept for one purpose, so that it never waits behind other work. Made when it is needed, and again after a loss. */
export class Held {
  readonly #database: Database
  readonly #listener: HeldListener
  readonly #longestAnswer: number
  #connecting: Promise<{ client: PgClient; session: Session }> | undefined
  /** What is under way: a connection does one thing after the other. */
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  /** @param longestAnswer ms after which a server that does not answer is taken for unreachable */
  constructor(database: Database, longestAnswer: number, listener: HeldListener) {
    this.#database = database
    this.#longestAnswer = longestAnswer
    this.#listener = listener
  }

  /** A statement in a transaction of its own; it must be safe to send twice. */
  query<Row extends readonly unknown[]>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    return this.#database.persistently(() => this.#inTurn(() => this.#once<Row>(sql, values)))
  }

  /** Makes the connection without a statement. */
  async connect(): Promise<void> {
    await this.#connected()
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => undefined)
    return result
  }

  async #once<Row extends readonly unknown[]>(sql: string, values: readonly unknown[]): Promise<Row[]> {
    const { client, session } = await this.#connected()
    const { clock, where } = this.#database.patience
    let giveUp: (() => void) | undefined
    const silence = new Promise<never>((_, reject) => {
      giveUp = clock.after(
        this.#longestAnswer,
        () => reject(new Error('query read timeout: no answer on a held connection')),
        true,
      )
    })
    try {
      const answer = this.#database.assure(client).then(() => session.query<Row>(sql, values))
      return await Promise.race([answer, silence])
    } catch (error) {
      if (isLost(error)) this.#drop(client)
      throw mapError(error, where)
    } finally {
      giveUp?.()
    }
  }

  #connected(): Promise<{ client: PgClient; session: Session }> {
    if (this.#closed) return Promise.reject(closed(this.#database.patience.where))
    this.#connecting ??= this.#make().catch((error) => {
      this.#connecting = undefined
      throw error
    })
    return this.#connecting
  }

  async #make(): Promise<{ client: PgClient; session: Session }> {
    const client = await this.#database.connect()
    const lost = () => this.#drop(client)
    client.on('error', lost)
    client.on('end', lost)
    const session = this.#database.on(client)
    try {
      await this.#listener.connected?.(session, client)
    } catch (error) {
      client.release(true)
      throw mapError(error, this.#database.patience.where)
    }
    this.#client = client
    return { client, session }
  }

  #client: PgClient | undefined

  #drop(client: PgClient): void {
    if (this.#client !== client) return
    this.#client = undefined
    this.#connecting = undefined
    client.release(true)
    this.#listener.lost?.()
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#connecting?.catch(() => undefined)
    const client = this.#client
    this.#client = undefined
    // Not back into the pool: it may still listen.
    client?.release(true)
  }
}

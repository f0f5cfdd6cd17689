import type { Progress } from '../../store/groups.ts'
import type { Database, Session } from './database.ts'
import { changeOf, effectOf } from './progress-change.ts'
import { type Call, type Ends, inTransaction } from './transaction.ts'

const WRITE = 'select hodisa.progress($1::jsonb)'
/** Stands until the mark of its owner passes it, who waits to hear of it. */
const IS_DONE = 'select exists (select from hodisa.done d where d.service = $1::text and d.position = $2::bigint)'

/** The lowest positions that an instance finished: what fails may be finished below the mark, and is swept with the next one. */
interface Finished {
  /** Since the last mark. */
  since: number
  /** Between the last two marks: it may have been committed after the last. */
  before: number
  /** Whether this process has swept all that stood below the mark. */
  swept: boolean
}

/** The fenced writes of a service's instances. */
export class ProgressWriter {
  readonly #durable: boolean
  readonly #seen: () => readonly [id: number, mark: string] | undefined
  readonly #finished = new Map<string, Finished>()

  /** @param seen the newest tick that is known, where the server has to make sure that it has it */
  constructor(durable: boolean, seen: () => readonly [id: number, mark: string] | undefined = () => undefined) {
    this.#durable = durable
    this.#seen = seen
  }

  /** Whether `change` may be written; writes nothing. Fails with `lease-lost`. */
  checking(change: Progress): Call {
    const seen = this.#seen()
    const effect = seen === undefined ? effectOf(change) : undefined
    if (effect !== undefined) return { name: 'check_effect', values: effect }
    return { name: 'check_progress', values: [changeOf(change, { durable: this.#durable, seen })] }
  }

  /**
   * Runs a transaction whose last statement, the closing, writes `change`; the fences hold from then on.
   *
   * @throws {HodisaError} `lease-lost`, and what `run` throws
   */
  closing<Result>(change: Progress, run: (ends: Ends) => Promise<Result>): Promise<Result> {
    const effect = this.#seen() === undefined ? effectOf(change) : undefined
    return this.#following(change, (value) => {
      if (effect === undefined) return run({ closing: () => ({ name: 'progress', values: [value()] }) })
      const [service, , , , position] = effect
      return run({
        closing: () => ({ name: 'finish_effect', values: [...effect, this.#durable] }),
        proof: { sql: IS_DONE, values: [service, position] },
      })
    })
  }

  /**
   * Writes it in a statement of its own. Tells whether others have to hear of it; the server then tells them.
   *
   * @throws {HodisaError} `lease-lost`
   */
  async write(session: Pick<Session, 'query'>, change: Progress): Promise<boolean> {
    const [row] = await this.#following(change, (value) => session.query<[boolean]>(WRITE, [value()]))
    return row?.[0] === true
  }

  /** Keeps in mind what is finished above the mark, for the sweep of the next one. */
  async #following<Result>(change: Progress, write: (value: () => string) => Promise<Result>): Promise<Result> {
    const finished = this.#finishedBy(`${change.service} ${change.instance}`)
    for (const { position } of change.done ?? []) finished.since = Math.min(finished.since, position)
    const low = Math.min(finished.since, finished.before)
    const swept = finished.swept ? { low: Number.isFinite(low) ? low : null } : {}
    const options = { durable: this.#durable, seen: this.#seen(), ...swept }
    const before = finished.since
    if (change.mark !== undefined) finished.since = Number.POSITIVE_INFINITY
    const result = await write(() => changeOf(change, options)).catch((error: unknown) => {
      finished.since = Math.min(finished.since, before)
      throw error
    })
    if (change.mark !== undefined) {
      finished.before = before
      finished.swept = true
    }
    return result
  }

  /** Writes it in a transaction of its own. */
  async writeAlone(database: Database, change: Progress): Promise<boolean> {
    // Sent twice, `once` would find what the first time has written: it needs to be known what became of that.
    if (change.once === true) {
      return database.persistently(() => inTransaction(database, (session) => this.write(session, change)))
    }
    return this.write(database, change)
  }

  #finishedBy(name: string): Finished {
    let finished = this.#finished.get(name)
    if (finished === undefined) {
      finished = { since: Number.POSITIVE_INFINITY, before: Number.POSITIVE_INFINITY, swept: false }
      this.#finished.set(name, finished)
    }
    return finished
  }
}

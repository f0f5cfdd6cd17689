import { AsyncLocalStorage } from 'node:async_hooks'
import { HodisaError } from '../../errors.ts'

/** One writer at a time, in the order they came. */
export class Turn {
  readonly #inside = new AsyncLocalStorage<{ open: boolean }>()
  #last: Promise<unknown> = Promise.resolve()

  /** Runs `work` when everything that came before has settled. */
  take<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    // Whoever waits in a transaction for a turn of its own would wait for itself.
    if (this.#inside.getStore()?.open === true) {
      return Promise.reject(
        new HodisaError('commit-awaited-io', 'a write of the store was called inside a transaction of the same store'),
      )
    }
    const result = this.#last.then(work)
    this.#last = result.catch(() => undefined)
    return result
  }

  /** Runs the user's part of a turn, in which no other turn may be taken. */
  async within<Result>(work: () => Promise<Result>): Promise<Result> {
    const here = { open: true }
    try {
      return await this.#inside.run(here, work)
    } finally {
      here.open = false
    }
  }

  /** Resolves when everything that came before has settled. */
  async idle(): Promise<void> {
    await this.#last
  }
}

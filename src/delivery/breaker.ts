import type { OpenBreaker } from '../store/groups.ts'

/**
 * Tells an outage from bad events, for one handler: when several keys in a row fail for the first time and nothing succeeds in
 * between, fresh events are held back by all instances. Single events are then let through, ever more seldom, by whoever
 * takes the turn in the store, until one succeeds.
 */
export class Breaker {
  readonly #limit: number
  #failures = 0
  #shared: OpenBreaker | undefined
  #successesAtOpen = 0
  #permit = false
  /** How many events succeeded; whoever remembers the count can tell whether another one has since. */
  successes = 0

  /** @param limit how many keys in a row must fail */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** As the store has it, where it is open for all instances. */
  get shared(): OpenBreaker | undefined {
    return this.#shared
  }

  /** Open for all instances, though an event has succeeded here since. */
  get isOutlived(): boolean {
    return this.#shared !== undefined && this.successes > this.#successesAtOpen
  }

  /** Whether a fresh event may begin. */
  get admits(): boolean {
    return this.#permit || (this.#shared === undefined && this.#failures < this.#limit)
  }

  /** A fresh event begins. */
  begin(): void {
    this.#permit = false
  }

  /** This instance has the turn to let one event through. */
  permit(): void {
    this.#permit = this.#shared !== undefined
  }

  succeed(): void {
    this.successes++
    this.#failures = 0
  }

  /** A key failed for the first time. True when all instances have to be told. */
  fail(): boolean {
    this.#failures++
    if (this.#failures !== this.#limit || this.#shared !== undefined) return false
    this.#successesAtOpen = this.successes
    return true
  }

  /** Follows the store. True when the breaker was closed, by whomever: something has succeeded. */
  share(open: OpenBreaker | undefined): boolean {
    const closed = this.#shared !== undefined && open === undefined
    if (this.#shared === undefined && this.#failures < this.#limit) this.#successesAtOpen = this.successes
    this.#shared = open
    if (closed) this.forgive()
    return closed
  }

  /** Begins anew, as after a success. */
  forgive(): void {
    this.#permit = false
    this.succeed()
  }
}

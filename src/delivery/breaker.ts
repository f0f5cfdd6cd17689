import { backoff } from './backoff.ts'
import type { ResolvedOptions } from './options.ts'

/**
 * Tells an outage from bad events, for one handler: when several keys in a row fail for the first time and nothing succeeds in
 * between, fresh events are held back and let through one by one, ever more seldom, until one succeeds.
 */
export class Breaker {
  readonly #limit: number
  readonly #retry: ResolvedOptions['retry']
  readonly #random: () => number
  #failures = 0
  #heldUntil = 0
  #probing = false
  /** How many events succeeded; whoever remembers the count can tell whether another one has since. */
  successes = 0

  constructor(options: ResolvedOptions, random: () => number) {
    this.#limit = Math.max(5, options.concurrency)
    this.#retry = options.retry
    this.#random = random
  }

  get isOpen(): boolean {
    return this.#failures >= this.#limit
  }

  /** How many ms a fresh event must still wait; 0 where it may begin now. */
  wait(now: number): number {
    if (!this.isOpen) return 0
    return this.#probing ? Number.POSITIVE_INFINITY : Math.max(0, this.#heldUntil - now)
  }

  /** A fresh event begins. */
  begin(): void {
    if (this.isOpen) this.#probing = true
  }

  /** A fresh event ended without telling anything about the handler, for example because its bucket was lost. */
  abandon(): void {
    this.#probing = false
  }

  succeed(): void {
    this.successes++
    this.#failures = 0
    this.#probing = false
  }

  /** A key failed for the first time. True when this opened the breaker. */
  fail(now: number): boolean {
    this.#probing = false
    this.#failures++
    if (!this.isOpen) return false
    this.#heldUntil = now + backoff(this.#failures - this.#limit + 1, this.#retry, this.#random)
    return this.#failures === this.#limit
  }
}

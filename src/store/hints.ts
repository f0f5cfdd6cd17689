import { AsyncLocalStorage } from 'node:async_hooks'
import type { Hint, Logger } from './port.ts'

type Listener = (hint: Hint) => void

/** What is new, of what a hint may tell. */
export interface News {
  readonly head: boolean
  /** Of one service, where it is named. */
  readonly groups: boolean | { readonly service: string }
}

/** Those who wait for changes of a store, each called in the context it began to wait in. */
export class Hints {
  readonly #logger: Logger
  readonly #head: () => number
  readonly #listeners = new Set<Listener>()
  #pending: { head: boolean; groups: boolean; services: Set<string> | undefined } | undefined

  /** @param head the newest position, at the moment that a hint is told */
  constructor(logger: Logger, head: () => number) {
    this.#logger = logger
    this.#head = head
  }

  get awaited(): boolean {
    return this.#listeners.size > 0
  }

  /** Returns what ends it. */
  add(listener: Listener): () => void {
    const inContext = AsyncLocalStorage.snapshot()
    const own: Listener = (hint) => inContext(listener, hint)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  clear(): void {
    this.#listeners.clear()
  }

  /** Outside of whatever is under way, and once for everything that happens until then. */
  tellSoon({ head, groups }: News): void {
    if ((!head && groups === false) || !this.awaited) return
    if (this.#pending === undefined) {
      this.#pending = { head: false, groups: false, services: new Set() }
      queueMicrotask(() => this.#tellPending())
    }
    this.#pending.head ||= head
    if (groups === false) return
    this.#pending.groups = true
    if (groups === true) this.#pending.services = undefined
    else this.#pending.services?.add(groups.service)
  }

  #tellPending(): void {
    const news = this.#pending
    this.#pending = undefined
    if (news === undefined) return
    const { head, groups, services } = news
    const whose = services === undefined ? { groups } : { groups, services }
    this.tell({ ...(head && { head: this.#head() }), ...(groups && whose) })
  }

  /** A listener that throws keeps nobody else from the hint. */
  tell(hint: Hint): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(hint)
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error)
        this.#logger.error('a listener to changes of the store threw', { error: text })
      }
    }
  }
}

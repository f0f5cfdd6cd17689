import { AsyncLocalStorage } from 'node:async_hooks'
import type { Statement } from 'better-sqlite3'
import type { Clock, Hint, Logger, StoreHost } from '../../store/port.ts'
import type { Connection } from './connection.ts'
import type { Effects } from './writer.ts'

type Listener = (hint: Hint) => void

/**
 * Tells listeners what changed: what this process wrote at once, what others wrote by asking SQLite whether anybody did, which
 * takes microseconds.
 */
export class Watcher {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #dataVersion: Statement<[], number>
  readonly #head: Statement<[], number | null>
  readonly #groups: Statement<[], number>
  readonly #listeners = new Set<Listener>()
  #version = 0
  #seenHead = 0
  #seenGroups = 0
  #changedAt = 0
  #cancel: (() => void) | undefined
  #pending: { head: boolean; groups: boolean } | undefined

  constructor(connection: Connection, { clock, logger }: Pick<StoreHost, 'clock' | 'logger'>) {
    this.#clock = clock
    this.#logger = logger
    this.#dataVersion = connection.prepare<[], number>('pragma data_version').pluck()
    this.#head = connection.prepare<[], number | null>('select max(position) from hodisa_events').pluck()
    this.#groups = connection.prepare<[], number>(`select value from hodisa_signals where name = 'groups'`).pluck()
  }

  watch(listener: Listener): () => void {
    const inContext = AsyncLocalStorage.snapshot()
    const own: Listener = (hint) => inContext(listener, hint)
    this.#listeners.add(own)
    if (this.#cancel === undefined) this.#start()
    return () => {
      this.#listeners.delete(own)
      if (this.#listeners.size === 0) this.stop()
    }
  }

  stop(): void {
    this.#listeners.clear()
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** What this process has just committed. */
  committed({ head, groups }: Effects): void {
    if (this.#listeners.size === 0) return
    const news = { head: head > this.#seenHead, groups: groups > this.#seenGroups }
    this.#seenHead = Math.max(this.#seenHead, head)
    this.#seenGroups = Math.max(this.#seenGroups, groups)
    if (news.head || news.groups) this.#changedAt = this.#clock.monotonic()
    this.#tellSoon(news)
  }

  #start(): void {
    try {
      this.#version = this.#dataVersion.get() ?? 0
      this.#seenHead = this.#head.get() ?? 0
      this.#seenGroups = this.#groups.get() ?? 0
    } catch {
      // Busy for a moment: the first look finds everything new, and a hint too many does no harm.
    }
    this.#changedAt = this.#clock.monotonic()
    this.#later()
  }

  #later(): void {
    const idle = this.#clock.monotonic() - this.#changedAt
    const pause = idle < 1_000 ? 2 : idle < 10_000 ? 5 : 10
    this.#cancel = this.#clock.after(pause, () => this.#look(), true)
  }

  #look(): void {
    try {
      const version = this.#dataVersion.get() ?? 0
      if (version !== this.#version) {
        const head = this.#head.get() ?? 0
        const groups = this.#groups.get() ?? 0
        const news = { head: head > this.#seenHead, groups: groups > this.#seenGroups }
        this.#version = version
        this.#seenHead = Math.max(this.#seenHead, head)
        this.#seenGroups = Math.max(this.#seenGroups, groups)
        this.#changedAt = this.#clock.monotonic()
        this.#tellSoon(news)
      }
    } catch {
      // Busy for a moment, or a disk that fails: those who read are told, and the next look may succeed.
    }
    this.#later()
  }

  /** Outside of the writer's own work, and once for everything that happens until then. */
  #tellSoon({ head, groups }: { head: boolean; groups: boolean }): void {
    if (!head && !groups) return
    if (this.#pending !== undefined) {
      this.#pending.head ||= head
      this.#pending.groups ||= groups
      return
    }
    this.#pending = { head, groups }
    queueMicrotask(() => {
      const news = this.#pending
      this.#pending = undefined
      if (news === undefined) return
      const hint: Hint = { ...(news.head && { head: this.#seenHead }), ...(news.groups && { groups: true }) }
      for (const listener of [...this.#listeners]) this.#tell(listener, hint)
    })
  }

  /** A listener that throws keeps nobody else from the hint. */
  #tell(listener: Listener, hint: Hint): void {
    try {
      listener(hint)
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      this.#logger.error('a listener to changes of the store threw', { error: text })
    }
  }
}

import type { Statement } from 'better-sqlite3'
import { Hints } from '../../store/hints.ts'
import type { Clock, Hint, StoreHost } from '../../store/port.ts'
import type { Connection } from './connection.ts'
import type { Effects } from './writer.ts'

/**
 * Tells listeners what changed: what this process wrote at once, what others wrote by asking SQLite whether anybody did, which
 * takes microseconds.
 */
export class Watcher {
  readonly #clock: Clock
  readonly #hints: Hints
  readonly #dataVersion: Statement<[], number>
  readonly #head: Statement<[], number | null>
  readonly #groups: Statement<[], number>
  #version = 0
  #seenHead = 0
  #seenGroups = 0
  #changedAt = 0
  #cancel: (() => void) | undefined

  constructor(connection: Connection, { clock, logger }: Pick<StoreHost, 'clock' | 'logger'>) {
    this.#clock = clock
    this.#hints = new Hints(logger, () => this.#seenHead)
    this.#dataVersion = connection.prepare<[], number>('pragma data_version').pluck()
    this.#head = connection.prepare<[], number | null>('select max(position) from hodisa_events').pluck()
    this.#groups = connection.prepare<[], number>(`select value from hodisa_signals where name = 'groups'`).pluck()
  }

  watch(listener: (hint: Hint) => void): () => void {
    const remove = this.#hints.add(listener)
    if (this.#cancel === undefined) this.#start()
    return () => {
      remove()
      if (!this.#hints.awaited) this.stop()
    }
  }

  stop(): void {
    this.#hints.clear()
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** What this process has just committed. */
  committed({ head, groups }: Effects): void {
    if (!this.#hints.awaited) return
    const news = { head: head > this.#seenHead, groups: groups > this.#seenGroups }
    this.#seenHead = Math.max(this.#seenHead, head)
    this.#seenGroups = Math.max(this.#seenGroups, groups)
    if (news.head || news.groups) this.#changedAt = this.#clock.monotonic()
    this.#hints.tellSoon(news)
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
        this.#hints.tellSoon(news)
      }
    } catch {
      // Busy for a moment, or a disk that fails: those who read are told, and the next look may succeed.
    }
    this.#later()
  }
}

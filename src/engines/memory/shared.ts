import { AsyncLocalStorage } from 'node:async_hooks'
import type { InlineProjection } from '../../store/events.ts'
import type { InlineCover } from '../../store/inline.ts'
import type { Hint } from '../../store/port.ts'
import { Letters } from './dead-letters.ts'
import { DocumentTable } from './documents.ts'
import { GroupTable } from './groups.ts'
import { Log } from './log.ts'
import { PresenceTable } from './presence.ts'
import { Turn } from './turn.ts'

export interface RegisteredInline extends InlineCover {
  readonly projection: InlineProjection
}

/** What all connections to one store share. */
export class Shared {
  readonly log = new Log()
  readonly letters = new Letters()
  readonly groups = new GroupTable(this.letters)
  readonly presence = new PresenceTable()
  readonly documents = new DocumentTable()
  readonly inlines = new Map<string, RegisteredInline>()
  readonly turn = new Turn()
  readonly #listeners = new Set<(hint: Hint) => void>()

  watch(listener: (hint: Hint) => void): () => void {
    // A listener belongs to whoever watches, not to the request whose write it hears of.
    const own = AsyncLocalStorage.bind(listener)
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  /** After the write that it tells of: a listener never sees half of it. */
  tell(hint: Hint): void {
    queueMicrotask(() => {
      for (const listener of this.#listeners) listener(hint)
    })
  }
}

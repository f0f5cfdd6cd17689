import type { StoredEvent } from '../store/events.ts'
import type { Cursor, CursorChange, StoredDeadLetter } from '../store/groups.ts'
import type { AttemptSubject } from './attempt.ts'
import type { ServiceCore } from './core.ts'
import { at, type FailingKey, type FailingKeysHost } from './failing-key.ts'
import type { Share } from './shares.ts'

/** Writes cursors, and with them the done rows of what they have passed. */
export class CursorWriter {
  readonly #core: ServiceCore
  readonly #host: FailingKeysHost
  /** Keys whose cursor this instance has written since `reads`: what was read of them may be older. */
  readonly #written = new Set<string>()

  constructor(core: ServiceCore, host: FailingKeysHost) {
    this.#core = core
    this.#host = host
  }

  /** The cursors are about to be read. */
  reads(): void {
    this.#written.clear()
  }

  /** Whether what was read of the key may be older than what was written. */
  hasWritten(key: string): boolean {
    return this.#written.has(key)
  }

  /** The done mark of a head is its cursor's advance, in the effect's own transaction. */
  record(failing: FailingKey, share: Share, head: StoredEvent): AttemptSubject['record'] {
    const { deadLetter } = failing.cursor
    return async (effects) => {
      const { store, service, instance } = this.#core
      const change = {
        service,
        instance: instance(),
        fences: [share],
        done: [...this.#doneRows(failing, share), { bucket: share.bucket, position: head.position }],
        once: true,
        cursors: [{ put: at(failing.cursor, head.position + 1) }],
        ...(deadLetter !== null && { deadLetters: [{ remove: deadLetter }] }),
      }
      await store.progress(change, effects)
      this.#wrote(failing, share)
    }
  }

  /** Writes where the cursor is. */
  async save(failing: FailingKey, share: Share, deadLetter: string | null): Promise<void> {
    await this.#host.write({
      fences: [share],
      done: this.#doneRows(failing, share),
      cursors: [{ put: failing.cursor }],
      ...(deadLetter !== null && { deadLetters: [{ remove: deadLetter }] }),
    })
    this.#wrote(failing, share)
    failing.unsaved = []
  }

  /** Gives the key another cursor. */
  async put(failing: FailingKey, share: Share, cursor: Cursor, letter?: StoredDeadLetter): Promise<void> {
    const cursors: CursorChange[] = [{ put: cursor }]
    await this.#host.write({
      fences: [share],
      done: this.#doneRows(failing, share),
      cursors,
      ...(letter !== undefined && { deadLetters: [{ put: letter }] }),
    })
    this.#wrote(failing, share)
    for (const position of failing.unsaved) if (position > share.floor) share.done.add(position)
    failing.cursor = cursor
    failing.unsaved = []
  }

  /** Takes the cursor off. */
  async remove(failing: FailingKey, share: Share): Promise<void> {
    const done = this.#doneRows(failing, share) // without the cursor only they tell what it did above the mark
    await this.#host.write({ fences: [share], done, cursors: [{ remove: failing.lane.key }] })
    this.#wrote(failing, share)
  }

  /** A write of a share that was lost meanwhile says nothing about what is read of the bucket now. */
  #wrote({ lane }: FailingKey, share: Share): void {
    if (this.#host.shares.get(share.bucket) === share) this.#written.add(lane.key)
  }

  /** Done rows of what the mark has not passed. */
  #doneRows({ unsaved }: FailingKey, share: Share): { bucket: number; position: number }[] {
    const persisted = this.#host.persisted(share)
    return unsaved.filter((position) => position > persisted).map((position) => ({ bucket: share.bucket, position }))
  }
}

import type { Store } from '../store/port.ts'

/** The framework's own collections of documents, made when they are first needed. */
export class Collections {
  readonly #store: Store
  readonly #ready = new Map<string, Promise<void>>()

  constructor(store: Store) {
    this.#store = store
  }

  ready(name: string): Promise<void> {
    let ready = this.#ready.get(name)
    if (ready === undefined) {
      ready = this.#store.documents.define({ name, indexes: [] })
      this.#ready.set(name, ready)
      ready.catch(() => this.#ready.delete(name)) // the next one tries again
    }
    return ready
  }
}

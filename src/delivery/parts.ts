import { derivedId } from '../event/id.ts'
import type { StoredEvent } from '../store/events.ts'
import type { Store } from '../store/port.ts'
import type { Effects } from './attempt.ts'
import type { Needs } from './group-plan.ts'

const COLLECTION = { name: 'hodisa.parts', indexes: ['service'] } as const
const PAGE = 100

/** Nobody here handles a part of the event, though the service has a subscription for it. */
export class CannotHandle extends Error {
  readonly needs: Needs

  constructor(needs: Needs) {
    super(`nobody here handles ${needs.type} version ${needs.version}`)
    this.needs = needs
  }
}

/**
 * How many parts of a split event a service has finished. Written with the effects of each part, so that what was committed once is
 * not begun again; gone when the event is done.
 */
export class PartsProgress {
  readonly #store: Store
  readonly #service: string
  #defined: Promise<void> | undefined

  constructor(store: Store, service: string) {
    this.#store = store
    this.#service = service
  }

  async finished(event: StoredEvent): Promise<number> {
    this.#defined ??= this.#store.documents.define(COLLECTION).catch((error) => {
      this.#defined = undefined
      throw error
    })
    await this.#defined
    const id = this.#idOf(event)
    const found = await this.#store.documents.get(COLLECTION.name, [id])
    return Number(found.get(id) ?? 0)
  }

  /** The effects, and with them that so many parts are finished; `done` for all of them. */
  with(effects: Effects, event: StoredEvent, finished: number | 'done'): Effects {
    const id = this.#idOf(event)
    const write = { collection: COLLECTION.name, id, keys: { service: this.#service } }
    return { ...effects, documents: [{ ...write, data: finished === 'done' ? null : String(finished) }] }
  }

  #idOf({ position }: StoredEvent): string {
    return derivedId('parts', this.#service, position)
  }
}

/** The events of a service are to come again, from their first parts on. */
export async function forgetParts(store: Store, service: string): Promise<void> {
  const { name } = COLLECTION
  if (!(await store.documents.list()).some((collection) => collection.name === name)) return
  for (;;) {
    const where = [{ index: 'service', is: 'eq', key: service } as const]
    const found = await store.documents.find(name, { where, limit: PAGE })
    if (found.length === 0) return
    await store.documents.write(found.map(({ id }) => ({ collection: name, id, data: null })))
  }
}

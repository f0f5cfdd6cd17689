import { HodisaError } from '../errors.ts'
import { deepFreeze } from '../event/frozen.ts'
import type { SqlTag } from '../store/port.ts'
import type { Document } from './definition.ts'
import type { ViewWriter } from './types.ts'

/** Reads documents that exist, by id. */
export type LoadDocuments = (ids: readonly string[]) => Promise<ReadonlyMap<string, Document>>

type Change = (document: Document | undefined) => Document | undefined

interface Slot {
  /** Whether `value` is what stands there; until then changes wait. */
  known: boolean
  value: Document | undefined
  dirty: boolean
  waiting: Change[]
}

const LONGEST_ID = 255

/**
 * The documents of a view while a batch of events changes them: each is read once, whatever the number of its events, and all that
 * is not known yet is read in one call.
 */
export class Draft implements ViewWriter<Document> {
  readonly sql: SqlTag
  readonly #load: LoadDocuments
  readonly #slots = new Map<string, Slot>()
  readonly #unknown = new Set<string>()
  #over = false

  constructor(load: LoadDocuments, sql: SqlTag = noSql) {
    this.#load = load
    this.sql = sql
  }

  /** Reads documents that will be asked for. */
  async expect(ids: Iterable<string>): Promise<void> {
    for (const id of ids) this.#slot(id)
    await this.#loadAll()
  }

  /** What was asked for. */
  get ids(): readonly string[] {
    return [...this.#slots.keys()]
  }

  async get(id: string): Promise<Document | undefined> {
    const slot = this.#slot(id)
    if (!slot.known) await this.#loadAll()
    return slot.value
  }

  set(id: string, document: Document): void {
    assertDocument(id, document)
    this.#replace(id, document)
  }

  update(id: string, change: (document: Document) => Document): void {
    this.#change(id, (document) => (document === undefined ? undefined : changed(id, change(document))))
  }

  upsert(id: string, change: (document: Document | undefined) => Document): void {
    this.#change(id, (document) => changed(id, change(document)))
  }

  delete(id: string): void {
    this.#replace(id, undefined)
  }

  /** Makes all changes, and gives the documents that are other ones now; undefined for those that are gone. */
  async finish(): Promise<ReadonlyMap<string, Document | undefined>> {
    await this.#loadAll()
    this.#over = true
    const dirty = new Map<string, Document | undefined>()
    for (const [id, slot] of this.#slots) if (slot.dirty) dirty.set(id, slot.value)
    return dirty
  }

  /** What stands there need not be read, unless a change of it waits. */
  #replace(id: string, document: Document | undefined): void {
    const slot = this.#slot(id)
    if (slot.known) apply(slot, () => document)
    else if (slot.waiting.length > 0) slot.waiting.push(() => document)
    else {
      this.#unknown.delete(id)
      slot.known = true
      slot.value = deepFreeze(document)
      slot.dirty = true
    }
  }

  #change(id: string, change: Change): void {
    const slot = this.#slot(id)
    if (slot.known) apply(slot, change)
    else slot.waiting.push(change)
  }

  async #loadAll(): Promise<void> {
    while (this.#unknown.size > 0) {
      const ids = [...this.#unknown]
      this.#unknown.clear()
      const found = await this.#load(ids)
      for (const id of ids) {
        const slot = this.#slot(id)
        slot.known = true
        slot.value = deepFreeze(found.get(id))
        const { waiting } = slot
        slot.waiting = []
        for (const change of waiting) apply(slot, change)
      }
    }
  }

  #slot(id: string): Slot {
    if (this.#over)
      throw new HodisaError('context-dead', 'the batch of this view is over and takes no more changes', {})
    let slot = this.#slots.get(id)
    if (slot === undefined) {
      assertDocumentId(id)
      slot = { known: false, value: undefined, dirty: false, waiting: [] }
      this.#slots.set(id, slot)
      this.#unknown.add(id)
    }
    return slot
  }
}

function apply(slot: Slot, change: Change): void {
  const value = change(slot.value)
  if (value === slot.value) return
  slot.value = deepFreeze(value)
  slot.dirty = true
}

function changed(id: string, document: Document): Document {
  assertDocument(id, document)
  return document
}

/** @throws {HodisaError} `invalid-data` */
function assertDocument(id: string, document: unknown): void {
  if (typeof document === 'object' && document !== null && !Array.isArray(document)) return
  throw new HodisaError('invalid-data', `document ${id} of a view must be an object: view.delete(id) removes one`, {
    id,
  })
}

/** @throws {HodisaError} `invalid-name` */
export function assertDocumentId(id: unknown): asserts id is string {
  if (typeof id === 'string' && id !== '' && id.length <= LONGEST_ID && id.isWellFormed() && !id.includes('\0')) return
  throw new HodisaError('invalid-name', `the id of a document must be a text of 1 to ${LONGEST_ID} characters`, {
    id: typeof id === 'string' ? id.slice(0, 80) : typeof id,
  })
}

const noSql: SqlTag = () =>
  Promise.reject(
    new HodisaError('capability-missing', 'view.sql needs a projection that says `sql: true`', {
      capability: 'view.sql',
    }),
  )

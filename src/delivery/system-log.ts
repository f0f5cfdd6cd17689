import { isHodisaError } from '../errors.ts'
import type { IdMaker } from '../event/id.ts'
import { derivedId } from '../event/id.ts'
import { Registry } from '../event/registry.ts'
import { isReserved, systemEvents } from '../event/system.ts'
import type { EventExtras, NewEvent } from '../event/types.ts'
import type { Codec } from '../log/codec.ts'
import { Preparer } from '../log/prepare.ts'
import type { Clock, Logger, Store } from '../store/port.ts'

export interface SystemLogOptions {
  readonly source: string
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  readonly codec: Codec | undefined
  readonly newId: IdMaker
}

/** Publishes what the framework notices about itself. */
export class SystemLog {
  readonly #store: Store
  readonly #logger: Logger
  readonly #preparer: Preparer

  constructor({ source, store, clock, logger, codec, newId }: SystemLogOptions) {
    this.#store = store
    this.#logger = logger
    this.#preparer = new Preparer(new Registry(Object.values(systemEvents)), source, clock, codec, newId)
  }

  /**
   * Records the event, once for the same `once`. Never rejects: what cannot be recorded is logged. Says nothing `about` the
   * framework's own events, so that failing on one makes no further one.
   */
  async say(
    event: NewEvent,
    {
      about,
      once,
      ...extras
    }: EventExtras & { readonly about?: string; readonly once?: readonly (string | number)[] } = {},
  ): Promise<void> {
    if (about !== undefined && isReserved(about)) return
    try {
      const id = once === undefined ? {} : { id: derivedId('evt', event.type, ...once) }
      const prepared = await this.#preparer.prepare(event, { ...extras, ...id })
      await this.#store.append({ events: [prepared], conditions: [], onReuse: 'keep-first' })
    } catch (error) {
      if (isHodisaError(error, 'store-unavailable')) return // the app has stopped meanwhile
      this.#logger.warn(`could not publish ${event.type}: ${String(error)}`, { error: String(error) })
    }
  }
}

import { HodisaError } from '../errors.ts'
import { toJson } from '../event/json.ts'
import type { Registry } from '../event/registry.ts'
import type { RecordedEvent } from '../event/types.ts'
import type { Decoder } from '../log/decode.ts'
import { validateData } from '../log/prepare.ts'
import type { Cursor, DeadLetterQuery, DeadLetterState, StoredDeadLetter, StoredError } from '../store/groups.ts'
import type { Store } from '../store/port.ts'

/** An event that a service gave up on. */
export interface DeadLetter {
  readonly id: string
  readonly service: string
  readonly key: string
  readonly state: DeadLetterState
  readonly attempts: number
  readonly error: StoredError
  /** ISO 8601. */
  readonly firstFailedAt: string
  readonly parkedAt: string
  /** The event as recorded, with the edited data in place where it was edited. */
  readonly event: RecordedEvent
  /** Whether `event.data` was edited. */
  readonly edited: boolean
}

export interface DeadLetterFilter {
  readonly service?: string
  readonly key?: string
  /** A type. */
  readonly type?: string
  readonly state?: DeadLetterState
  /** Page size; 100 by default. */
  readonly limit?: number
  /** Id of the last letter of the page before. */
  readonly after?: string
}

/** What services gave up on, and what is to become of it. Works from any process, running services or not. */
export class DeadLetters {
  readonly #store: Store
  readonly #decoder: Decoder
  readonly #registry: Registry

  constructor(store: Store, decoder: Decoder, registry: Registry) {
    this.#store = store
    this.#decoder = decoder
    this.#registry = registry
  }

  /** By id, a page at a time. */
  async list(filter: DeadLetterFilter = {}): Promise<readonly DeadLetter[]> {
    const query: DeadLetterQuery = { ...filter, limit: filter.limit ?? 100 }
    const letters = await this.#store.deadLetters.list(query)
    return Promise.all(letters.map((letter) => this.#face(letter)))
  }

  /** @throws {HodisaError} `dead-letter-unknown` */
  async get(id: string): Promise<DeadLetter> {
    return this.#face(await this.#stored(id))
  }

  /**
   * Tries again, ahead of what waits behind it. With `data`, the edited event takes the original's place, for this service
   * only; the original stays in the log.
   */
  async redrive(id: string, options: { readonly data?: unknown } = {}): Promise<void> {
    const letter = await this.#stored(id)
    const edited = options.data === undefined ? letter.edited : await this.#edited(letter, options.data)
    await this.#change(letter, { ...letter, state: 'redriving', edited })
  }

  /** Gives the event up and goes on with its key; the letter stays, as `skipped`. */
  async skip(id: string): Promise<void> {
    const letter = await this.#stored(id)
    await this.#change(letter, { ...letter, state: 'skipped' })
  }

  /** Gives the event up and goes on with its key; the letter is removed. */
  async drop(id: string): Promise<void> {
    await this.#change(await this.#stored(id), null)
  }

  /** The cursor goes on from the letter's event: its owner sees from the letter what is to be done with it. */
  async #change(letter: StoredDeadLetter, next: StoredDeadLetter | null): Promise<void> {
    const { id, service, bucket, state } = letter
    if (state === 'skipped' && next !== null) {
      throw new HodisaError('dead-letter-unknown', `dead letter ${id} was skipped: its key has gone on`, { id, state })
    }
    const cursors = await this.#store.groups.cursors(service, new Set([bucket]))
    const cursor = cursors.find(({ deadLetter }) => deadLetter === id)
    const moved: Cursor | null =
      cursor === undefined ? null : { ...cursor, state: 'retrying', attempts: 0, nextAttemptAt: 0 }
    if (await this.#store.deadLetters.update({ id, expected: state, letter: next, cursor: moved })) return
    throw new HodisaError('dead-letter-unknown', `dead letter ${id} was changed by somebody else meanwhile`, {
      id,
      state,
    })
  }

  async #stored(id: string): Promise<StoredDeadLetter> {
    const letter = await this.#store.deadLetters.get(id)
    if (letter !== undefined) return letter
    throw new HodisaError('dead-letter-unknown', `there is no dead letter ${id}`, { id })
  }

  async #edited(letter: StoredDeadLetter, data: unknown): Promise<string> {
    const definition = this.#registry.get(letter.type)
    return toJson(definition === undefined ? data : await validateData(definition, data))
  }

  async #face(letter: StoredDeadLetter): Promise<DeadLetter> {
    const { id, service, key, state, attempts, error, edited } = letter
    const [stored] = await this.#store.byIds([letter.eventId])
    if (stored === undefined) {
      throw new HodisaError('store-corrupt', `the event ${letter.eventId} of dead letter ${id} is not in the log`, {
        id,
      })
    }
    const event = await this.#decoder.decode(stored)
    return {
      id,
      service,
      key,
      state,
      attempts,
      error,
      firstFailedAt: new Date(letter.firstFailedAt).toISOString(),
      parkedAt: new Date(letter.parkedAt).toISOString(),
      event: edited === null ? event : { ...event, data: JSON.parse(edited) },
      edited: edited !== null,
    }
  }
}

import { HodisaError } from '../errors.ts'
import { assertOptions, assertTexts, invalidOption } from '../event/input.ts'
import type { RecordedEvent } from '../event/types.ts'
import type { StoredEvent } from '../store/events.ts'
import type { Cursor, DeadLetterQuery, DeadLetterState, StoredDeadLetter, StoredError } from '../store/groups.ts'
import type { Store } from '../store/port.ts'
import { type DeadLetterSelection, selectionQuery } from './dead-letter-selection.ts'
import { type Editing, editOf, partsShown, withEdit } from './edits.ts'
import { atLeast } from './options.ts'

const STATES: readonly DeadLetterState[] = ['parked', 'redriving', 'skipped']

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
  /** The event as the app sees it, or as recorded where its upcaster fails; with the edited data where it was edited. */
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
  /** Only events up to this position, or recorded up to this time. */
  readonly until?: Date | number
  /** Page size; 100 by default. */
  readonly limit?: number
  /** Id of the last letter of the page before. */
  readonly after?: string
}

/** How many letters are changed at once, so that they share the store's writes. */
const TOGETHER = 32
const PAGE = 500

type Decision = (letter: StoredDeadLetter) => StoredDeadLetter | null

/** What services gave up on, and what is to become of it. Works from any process, running services or not. */
export class DeadLetters {
  readonly #store: Store
  readonly #editing: Editing

  constructor(store: Store, editing: Editing) {
    this.#store = store
    this.#editing = editing
  }

  /** By id, a page at a time. */
  async list(filter: DeadLetterFilter = {}): Promise<readonly DeadLetter[]> {
    assertFilter(filter)
    const { until, ...rest } = filter
    const query: DeadLetterQuery = {
      ...rest,
      ...(until !== undefined && (await selectionQuery(this.#store, { until }))),
      limit: filter.limit ?? 100,
    }
    const letters = await this.#store.deadLetters.list(query)
    return Promise.all(letters.map((letter) => this.#face(letter)))
  }

  /** @throws {HodisaError} `dead-letter-unknown` */
  async get(id: string): Promise<DeadLetter> {
    return this.#face(await this.#stored(id))
  }

  /**
   * Tries again, ahead of what waits behind it: one letter by its id, or all parked ones that match, in the order of the log.
   * Resolves with how many; what happens to them then is the services' work. With `data`, which takes an id, the edited event
   * takes the original's place, for this service only; the original stays in the log.
   *
   * @throws {HodisaError} `dead-letter-unknown`, `invalid-option`, `invalid-data`
   */
  async redrive(what: string | DeadLetterSelection, options: { readonly data?: unknown } = {}): Promise<number> {
    if (typeof what !== 'string') {
      if (options.data !== undefined) throw refused('data', 'edited data is for one dead letter: give its id')
      return this.#changeAll(what, (letter) => ({ ...letter, state: 'redriving' }))
    }
    const letter = await this.#stored(what)
    const { data } = options
    const edited = data === undefined ? letter.edited : await editOf(this.#editing, await this.#event(letter), data)
    await this.#change(letter, { ...letter, state: 'redriving', edited })
    return 1
  }

  /**
   * Gives the event up and goes on with its key; the letter stays, as `skipped`. Given a selection, only with `all: true`: their
   * services never handle these events. Resolves with how many.
   */
  async skip(what: string | DeadLetterSelection, options: { readonly all?: boolean } = {}): Promise<number> {
    return this.#giveUp('skip', what, options, (letter) => ({ ...letter, state: 'skipped' }))
  }

  /** Like `skip`, but the letter is removed. */
  async drop(what: string | DeadLetterSelection, options: { readonly all?: boolean } = {}): Promise<number> {
    return this.#giveUp('drop', what, options, () => null)
  }

  async #giveUp(
    call: 'skip' | 'drop',
    what: string | DeadLetterSelection,
    options: { readonly all?: boolean },
    decide: Decision,
  ): Promise<number> {
    if (typeof what !== 'string') {
      if (options.all !== true) throw refused('all', `${call} of all that match a selection needs { all: true }`)
      return this.#changeAll(what, decide)
    }
    const letter = await this.#stored(what)
    await this.#change(letter, decide(letter))
    return 1
  }

  /** All that are parked now: what is parked meanwhile is left alone, and what somebody else changes meanwhile, too. */
  async #changeAll(selection: DeadLetterSelection, decide: Decision): Promise<number> {
    const query = await selectionQuery(this.#store, selection)
    const found: Pick<StoredDeadLetter, 'id' | 'position'>[] = []
    for (let after: string | undefined; ; after = found.at(-1)?.id) {
      const page = { ...query, state: 'parked' as const, limit: PAGE, ...(after !== undefined && { after }) }
      const letters = await this.#store.deadLetters.list(page)
      for (const { id, position } of letters) found.push({ id, position })
      if (letters.length < PAGE) break
    }
    found.sort((one, other) => one.position - other.position)
    let changed = 0
    for (let index = 0; index < found.length; index += TOGETHER) {
      const some = found.slice(index, index + TOGETHER)
      const outcomes = await Promise.all(some.map(({ id }) => this.#changeParked(id, decide)))
      changed += outcomes.filter(Boolean).length
    }
    return changed
  }

  async #changeParked(id: string, decide: Decision): Promise<boolean> {
    const letter = await this.#store.deadLetters.get(id)
    return letter?.state === 'parked' && this.#update(letter, decide(letter))
  }

  async #change(letter: StoredDeadLetter, next: StoredDeadLetter | null): Promise<void> {
    const { id, state } = letter
    if (state === 'skipped' && next !== null) {
      throw new HodisaError('dead-letter-unknown', `dead letter ${id} was skipped: its key has gone on`, { id, state })
    }
    if (await this.#update(letter, next)) return
    throw new HodisaError('dead-letter-unknown', `dead letter ${id} was changed by somebody else meanwhile`, {
      id,
      state,
    })
  }

  /** The cursor goes on from the letter's event: its owner sees from the letter what is to be done with it. */
  async #update({ id, service, bucket, state }: StoredDeadLetter, next: StoredDeadLetter | null): Promise<boolean> {
    const cursors = await this.#store.groups.cursors(service, new Set([bucket]))
    const cursor = cursors.find(({ deadLetter }) => deadLetter === id)
    const moved: Cursor | null =
      cursor === undefined ? null : { ...cursor, state: 'retrying', attempts: 0, nextAttemptAt: 0 }
    return this.#store.deadLetters.update({ id, expected: state, letter: next, cursor: moved })
  }

  async #stored(id: string): Promise<StoredDeadLetter> {
    const letter = await this.#store.deadLetters.get(id)
    if (letter !== undefined) return letter
    throw new HodisaError('dead-letter-unknown', `there is no dead letter ${id}`, { id })
  }

  async #event({ id, eventId }: StoredDeadLetter): Promise<StoredEvent> {
    const [stored] = await this.#store.byIds([eventId])
    if (stored !== undefined) return stored
    throw new HodisaError('store-corrupt', `the event ${eventId} of dead letter ${id} is not in the log`, { id })
  }

  async #face(letter: StoredDeadLetter): Promise<DeadLetter> {
    const { id, service, key, state, attempts, error, edited } = letter
    const { decoder } = this.#editing
    const recorded = withEdit(await this.#event(letter), edited)
    const [event = await decoder.asRecorded(recorded)] = await partsShown(decoder, recorded)
    return {
      id,
      service,
      key,
      state,
      attempts,
      error,
      firstFailedAt: new Date(letter.firstFailedAt).toISOString(),
      parkedAt: new Date(letter.parkedAt).toISOString(),
      event,
      edited: edited !== null,
    }
  }
}

function refused(option: string, message: string): HodisaError {
  return new HodisaError('invalid-option', `deadLetters: ${message}`, { option })
}

function assertFilter(filter: DeadLetterFilter): void {
  assertOptions('deadLetters.list', filter)
  assertTexts(filter, ['service', 'key', 'type', 'after'])
  const { limit, state } = filter
  if (limit !== undefined) atLeast('limit', limit, 0, true)
  if (state !== undefined && !STATES.includes(state)) {
    throw invalidOption('state', `must be one of ${STATES.join(', ')}`, state)
  }
}

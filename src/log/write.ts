import { HodisaError } from '../errors.ts'
import { assertObject, assertOptions, shown } from '../event/input.ts'
import { assertStream } from '../event/names.ts'
import type { EventExtras, NewEvent } from '../event/types.ts'
import type { AppendCondition, AppendRequest, EventToAppend, ExpectedRevision, Receipt } from '../store/events.ts'
import type { Store } from '../store/port.ts'
import type { Preparer } from './prepare.ts'

export interface PublishOptions extends EventExtras {
  /** Enforced on the stream the events go to; they must all go to one. */
  readonly expectedRevision?: ExpectedRevision
}

/** What to append to one stream. */
export interface StreamAppend {
  /** Whole name, `category-id`. */
  readonly stream: string
  /** May be empty, to check `expectedRevision` only. */
  readonly events: readonly NewEvent[]
  /** `'any'` by default. */
  readonly expectedRevision?: ExpectedRevision
}

/** Turns what callers publish into one append. Nothing is awaited that need not be: publishers of one turn share a commit. */
export class Writer {
  readonly #store: Store
  readonly #preparer: Preparer

  constructor(store: Store, preparer: Preparer) {
    this.#store = store
    this.#preparer = preparer
  }

  /** `(events, options)`, or `(type, data, options)`. */
  async publish(what: string | NewEvent | readonly NewEvent[], ...rest: readonly unknown[]): Promise<Receipt> {
    const [events, options] =
      typeof what === 'string'
        ? [[{ type: what, data: rest[0] }], rest[1] as PublishOptions | undefined]
        : [[what].flat(), rest[0] as PublishOptions | undefined]
    const { expectedRevision, ...extras } = optionsFor(events, options)
    const prepared = events.map((event) => this.#preparer.prepare(event, extras))
    const ready = prepared.some((event) => event instanceof Promise)
      ? await Promise.all(prepared)
      : (prepared as EventToAppend[])
    return this.#store.append(request(ready, expectedRevision))
  }

  /** @throws {HodisaError} `async-schema` where a schema or codec would have to be awaited. */
  requestNow(what: NewEvent | readonly NewEvent[], options?: PublishOptions): AppendRequest {
    const events = [what].flat()
    const { expectedRevision, ...extras } = optionsFor(events, options)
    return request(
      events.map((event) => this.#preparer.prepareNow(event, extras)),
      expectedRevision,
    )
  }

  async append(
    writes: readonly StreamAppend[],
    extras: Omit<EventExtras, 'id' | 'stream' | 'key'> = {},
  ): Promise<Receipt> {
    if (!Array.isArray(writes)) throw invalid('append', 'takes an array of { stream, events, expectedRevision }')
    assertOptions('append', extras)
    const conditions: AppendCondition[] = []
    const events: (EventToAppend | Promise<EventToAppend>)[] = []
    for (const write of writes as readonly StreamAppend[]) {
      assertObject('append', write)
      const { stream, events: some, expectedRevision = 'any' }: StreamAppend = write
      assertStream(stream)
      assertExpected(expectedRevision)
      if (!Array.isArray(some)) throw invalid('events', `of stream ${stream} must be an array`)
      conditions.push({ kind: 'expectedRevision', stream, expected: expectedRevision })
      for (const event of some) {
        const own = event?.extras?.stream
        if (own !== undefined && own !== stream)
          throw invalid('stream', `of an event must be that of its append, ${stream}`)
        events.push(this.#preparer.prepare(event, { ...extras, stream }))
      }
    }
    return this.#store.append({ events: await Promise.all(events), conditions, onReuse: 'refuse' })
  }
}

function optionsFor(events: readonly NewEvent[], options: PublishOptions = {}): PublishOptions {
  assertOptions('publish', options)
  if (options.id !== undefined && events.length !== 1) {
    throw invalid('id', 'names one event: give each event of a batch its own, e.g. OrderCreated(data, { id })')
  }
  if (options.expectedRevision !== undefined) assertExpected(options.expectedRevision)
  return options
}

function request(events: readonly EventToAppend[], expected: ExpectedRevision | undefined): AppendRequest {
  if (expected === undefined) return { events, conditions: [], onReuse: 'refuse' }
  const streams = new Set(events.map(({ stream }) => stream))
  const [stream] = streams
  if (streams.size !== 1 || typeof stream !== 'string') {
    throw invalid('expectedRevision', 'needs events that all go to one stream; for several, use app.append')
  }
  return { events, conditions: [{ kind: 'expectedRevision', stream, expected }], onReuse: 'refuse' }
}

function assertExpected(expected: unknown): asserts expected is ExpectedRevision {
  if (expected === 'any' || expected === 'none' || expected === 'exists') return
  if (Number.isSafeInteger(expected) && Number(expected) >= 0) return
  throw invalid('expectedRevision', `must be an integer from 0, "any", "none" or "exists", not ${shown(expected)}`)
}

function invalid(option: string, rule: string): HodisaError {
  return new HodisaError('invalid-option', `${option} ${rule}`, { option })
}

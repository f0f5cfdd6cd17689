import type { StandardSchemaV1 } from '@standard-schema/spec'
import { HodisaError } from '../errors.ts'
import { bucketOf } from '../event/bucket.ts'
import { currentContext } from '../event/context.ts'
import type { AnyEventDefinition } from '../event/definition.ts'
import type { IdMaker } from '../event/id.ts'
import { assertObject, assertOptions } from '../event/input.ts'
import { fingerprint, toJson } from '../event/json.ts'
import { assertId, assertKey, assertMetadataId, assertStream } from '../event/names.ts'
import type { Registry } from '../event/registry.ts'
import type { EventExtras, NewEvent } from '../event/types.ts'
import type { EventToAppend } from '../store/events.ts'
import type { Clock } from '../store/port.ts'
import type { Codec } from './codec.ts'

const RESERVED = ['correlationId', 'causationId', 'source'] as const

/** Makes events ready to be recorded: validated, serialised, named, and traced to their cause. */
export class Preparer {
  readonly #registry: Registry
  readonly #source: string
  readonly #clock: Clock
  readonly #codec: Codec | undefined
  readonly #newId: IdMaker

  constructor(registry: Registry, source: string, clock: Clock, codec: Codec | undefined, newId: IdMaker) {
    this.#newId = newId
    this.#registry = registry
    this.#source = source
    this.#clock = clock
    this.#codec = codec
  }

  /** Synchronous where the schema and the codec are: a publisher then loses no turn. */
  prepare(event: NewEvent, defaults: EventExtras = {}): EventToAppend | Promise<EventToAppend> {
    assertEvent(event)
    const extras = event.extras === undefined ? defaults : { ...defaults, ...event.extras }
    const definition = this.#registry.require(event.type)
    const context = currentContext() // taken now: what follows may run in another one
    const validated = validateData(definition, event.data)
    if (validated instanceof Promise) {
      return validated.then((data) => this.#encode(definition, this.#build(definition, event, data, extras, context)))
    }
    return this.#encode(definition, this.#build(definition, event, validated, extras, context))
  }

  /** @throws {HodisaError} `async-schema` where the schema or the codec would have to be awaited. */
  prepareNow(event: NewEvent, defaults: EventExtras = {}): EventToAppend {
    const prepared = this.prepare(event, defaults)
    if (!(prepared instanceof Promise)) return prepared
    prepared.catch(() => undefined) // its outcome is of no use: the call is refused
    throw new HodisaError(
      'async-schema',
      `event ${event.type} has an asynchronous schema or codec, and this call cannot wait`,
      {
        type: event.type,
      },
    )
  }

  #build(
    definition: AnyEventDefinition,
    event: NewEvent,
    data: unknown,
    extras: EventExtras,
    context: ReturnType<typeof currentContext>,
  ): EventToAppend {
    const id = extras.id ?? this.#newId('evt')
    if (extras.id !== undefined) assertId(id)
    const text = toJson(data, `event ${definition.type}: data`)
    const { stream, key } = placeOf(definition, data, extras)
    const correlationId = extras.correlationId ?? context.correlationId ?? id
    const causationId = extras.causationId ?? context.causationId ?? null
    if (extras.correlationId !== undefined) assertMetadataId('correlationId', correlationId)
    if (extras.causationId !== undefined) assertMetadataId('causationId', causationId)
    const now = this.#clock.now()
    return {
      id,
      fingerprint: extras.id === undefined ? null : fingerprintOf(definition, event, stream, key, text),
      type: definition.type,
      version: definition.version,
      kind: definition.kind,
      timestamp: now,
      stream,
      key,
      bucket: bucketOf(stream ?? key ?? id),
      source: this.#source,
      correlationId,
      causationId,
      metadata: metadataText(extras.metadata, context),
      data: text,
      tenant: null,
      subject: null,
      tags: null,
      encoding: null,
      expiresAt: definition.keep === undefined ? null : now + definition.keep,
    }
  }

  #encode(definition: AnyEventDefinition, event: EventToAppend): EventToAppend | Promise<EventToAppend> {
    if (this.#codec === undefined) return event
    const encoding = this.#codec.name
    const data = this.#codec.encode(event.data, { ...event, type: definition.type })
    return typeof data === 'string'
      ? { ...event, data, encoding }
      : data.then((text) => ({ ...event, data: text, encoding }))
  }
}

function assertEvent(event: unknown): asserts event is NewEvent {
  if (typeof event !== 'object' || event === null || typeof (event as NewEvent).type !== 'string') {
    throw new HodisaError('invalid-option', 'an event is what a definition returns, e.g. OrderCreated({ … })', {})
  }
  assertOptions(`event ${(event as NewEvent).type}`, (event as NewEvent).extras)
}

export function validateData(definition: AnyEventDefinition, data: unknown): unknown | Promise<unknown> {
  if (definition.schema === undefined) {
    if (typeof data !== 'object' || data === null || Array.isArray(data)) {
      throw invalidData(definition.type, [{ message: 'must be an object', path: [] }])
    }
    return data
  }
  const result = (definition.schema as StandardSchemaV1)['~standard'].validate(data)
  return result instanceof Promise
    ? result.then((settled) => output(definition.type, settled))
    : output(definition.type, result)
}

function output(type: string, result: StandardSchemaV1.Result<unknown>): unknown {
  if (result.issues === undefined) return result.value
  throw invalidData(
    type,
    result.issues.map(({ message, path = [] }) => ({
      message,
      path: path.map((part) => (typeof part === 'object' ? part.key : part)),
    })),
  )
}

function invalidData(type: string, issues: { message: string; path: PropertyKey[] }[]): HodisaError {
  const plain = issues.map(({ message, path }) => ({ message, path: path.map(String) }))
  const text = plain.map(({ message, path }) => `${['data', ...path].join('.')}: ${message}`)
  return new HodisaError('invalid-data', `event ${type}: ${text.join('; ')}`, { type, issues: plain })
}

function placeOf(definition: AnyEventDefinition, data: unknown, extras: EventExtras) {
  const stream = extras.stream ?? streamOf(definition, data)
  if (stream !== null) assertStream(stream)
  if (extras.key !== undefined) assertKey(extras.key)
  if (stream !== null && extras.key !== undefined) {
    throw new HodisaError('stream-and-key', `event ${definition.type} goes to stream ${stream}, so it takes no key`, {
      type: definition.type,
      stream,
      key: extras.key,
    })
  }
  return { stream, key: extras.key ?? null }
}

function streamOf(definition: AnyEventDefinition, data: unknown): string | null {
  if (definition.streamId === undefined) return null
  const { type, category } = definition
  let id: unknown
  try {
    id = definition.streamId(data as never)
  } catch (error) {
    const message = `event ${type}: its stream function threw ${String(error)}`
    throw new HodisaError('invalid-definition', message, { type }, error)
  }
  if ((typeof id === 'string' && id !== '') || typeof id === 'number') return `${category}-${id}`
  const shown = typeof id === 'string' ? 'an empty text' : typeof id
  throw new HodisaError('invalid-name', `event ${type}: its stream function must give an id, not ${shown}`, { type })
}

/**
 * Over the input, so that a default the schema fills in anew (a time, an id) does not make the same call another one; and over the
 * oldest name of the type, so that neither does a rename.
 */
function fingerprintOf(
  definition: AnyEventDefinition,
  event: NewEvent,
  stream: string | null,
  key: string | null,
  recorded: string,
): string {
  const [type = definition.type] = definition.was
  try {
    return fingerprint({ type, stream, key, input: event.data })
  } catch {
    return fingerprint({ type, stream, key, input: recorded }) // input that JSON cannot write, such as a bigint
  }
}

function metadataText(
  given: Readonly<Record<string, unknown>> | undefined,
  { traceparent, tracestate }: ReturnType<typeof currentContext>,
): string | null {
  if (given === undefined && traceparent === undefined) return null
  if (given !== undefined) assertObject('metadata', given)
  const reserved = given && RESERVED.find((name) => name in given)
  if (reserved !== undefined) {
    throw new HodisaError('invalid-option', `metadata.${reserved} has an option of its own, or is set by the app`, {
      option: `metadata.${reserved}`,
    })
  }
  return toJson(
    { ...(traceparent !== undefined && { traceparent, ...(tracestate !== undefined && { tracestate }) }), ...given },
    'metadata',
  )
}

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { HodisaError } from '../errors.ts'
import { type Duration, milliseconds } from './duration.ts'
import { shown } from './input.ts'
import { assertCategory, assertType } from './names.ts'
import type { EventExtras, EventKind, NewEvent } from './types.ts'
import type { MissingSteps, UpcastChain, Upcaster } from './upcasting.ts'

/** Data of an event that was defined without a schema: any JSON object. */
export type PlainData = { readonly [key: string]: unknown }

/** `Steps` is what each upcaster takes, by the version it starts from. */
export interface EventOptions<Schema extends StandardSchemaV1, Version extends number = number, Steps = unknown> {
  /** Any Standard Schema v1 (Zod, Valibot, ArkType …). What is recorded is its output. */
  readonly schema?: Schema
  /** Version of the schema, from 1 (default). */
  readonly version?: Version
  /**
   * Types that this event was recorded as before it was renamed, the oldest first. Such events are read, and handled, as this
   * type; the versions go on counting over all names.
   */
  readonly was?: readonly string[]
  /** `domain` (default), `system` or `integration`. */
  readonly kind?: EventKind
  /** The id part of the stream the event is recorded in; without it the event belongs to no stream. */
  readonly stream?: (data: StandardSchemaV1.InferOutput<Schema>) => string
  /** The category of the stream; by default the first segment of the type, of the oldest one where it was renamed. */
  readonly category?: string
  /**
   * For every older version, the step to the next one, up to what the schema gives out. A step may also give `dropped` or
   * `splitInto(…)`.
   */
  readonly upcast?: UpcastChain<Steps, Version, StandardSchemaV1.InferOutput<Schema>>
  /** How long a `system` event is kept, e.g. `'7d'`. */
  readonly keep?: Duration
}

/** A defined event: call it with data to make one to publish. */
export interface EventDefinition<Type extends string = string, Input = never, Output = unknown> {
  (data: Input, extras?: EventExtras): NewEvent<Type, Input>
  readonly type: Type
  readonly version: number
  readonly kind: EventKind
  readonly category: string
  readonly schema: StandardSchemaV1<Input, Output> | undefined
  readonly streamId: ((data: Output) => string) | undefined
  readonly upcasters: ReadonlyMap<number, Upcaster>
  /** Types that it was recorded as before, the oldest first. */
  readonly was: readonly string[]
  /** Milliseconds that the event is kept; absent: for ever. */
  readonly keep: number | undefined
}

/** Any definition, whatever its data. */
export type AnyEventDefinition = Pick<
  EventDefinition,
  'type' | 'version' | 'kind' | 'category' | 'upcasters' | 'was' | 'keep'
> & {
  (data: never, extras?: EventExtras): NewEvent
  readonly schema: StandardSchemaV1<never, unknown> | StandardSchemaV1 | undefined
  readonly streamId: ((data: never) => string) | undefined
}

/** What a definition takes. */
export type InputOf<Definition> = Definition extends EventDefinition<string, infer Input, infer _> ? Input : never
/** What handlers of the event get. */
export type DataOf<Definition> = Definition extends EventDefinition<string, infer _, infer Output> ? Output : never

const OWN = 'hodisa'
/** In the order of the numbers that stores keep for them. */
export const KINDS: readonly EventKind[] = ['domain', 'system', 'integration']

/**
 * Defines an event type.
 *
 * @param type one or more camelCase segments, dot-separated, in the past tense: `order.created`.
 * @throws {HodisaError} `invalid-definition` or `invalid-name`, naming the option and the rule.
 */
export function defineEvent<
  const Type extends string,
  Schema extends StandardSchemaV1 = StandardSchemaV1<PlainData>,
  const Version extends number = 1,
  Steps = unknown,
>(
  type: Type,
  options?: EventOptions<Schema, Version, Steps> & MissingSteps<Steps, Version>,
): EventDefinition<Type, StandardSchemaV1.InferInput<Schema>, StandardSchemaV1.InferOutput<Schema>> {
  assertType(type)
  if (type.split('.', 1)[0] === OWN) {
    throw new HodisaError('invalid-name', `event ${type}: "${OWN}" is for the framework's own events`, { type })
  }
  return defineReserved<Type, Schema>(type, options)
}

/** The same for the framework's own events. */
export function defineReserved<
  const Type extends string,
  Schema extends StandardSchemaV1 = StandardSchemaV1<PlainData>,
>(
  type: Type,
  options: EventOptions<Schema> = {},
): EventDefinition<Type, StandardSchemaV1.InferInput<Schema>, StandardSchemaV1.InferOutput<Schema>> {
  const { version = 1, kind = 'domain' } = options
  const invalid = (message: string, details: Record<string, unknown>) =>
    new HodisaError('invalid-definition', `event ${type}: ${message}`, { type, ...details })
  if (!Number.isSafeInteger(version) || version < 1) {
    throw invalid(`version must be an integer from 1, not ${shown(version)}`, { version })
  }
  if (!KINDS.includes(kind)) throw invalid(`kind must be one of ${KINDS.join(', ')}, not ${shown(kind)}`, { kind })
  if (options.schema !== undefined && !isStandardSchema(options.schema)) {
    throw invalid('schema must be a Standard Schema v1', {})
  }
  if (options.stream !== undefined && typeof options.stream !== 'function') {
    throw invalid('stream must be a function from the data to the id part of the stream', {})
  }
  if (options.keep !== undefined && kind !== 'system') throw invalid('keep is for events of kind system', { kind })
  const was = formerTypes(type, options.was ?? [])
  // The oldest name's: a rename must not move events to other streams.
  const category = options.category ?? (was[0] ?? type).split('.', 1).join()
  assertCategory(category)

  const make = (data: StandardSchemaV1.InferInput<Schema>, extras?: EventExtras) =>
    extras === undefined ? { type, data } : { type, data, extras }
  const definition = {
    version,
    kind,
    category,
    schema: options.schema,
    streamId: options.stream,
    upcasters: upcastChain(type, version, options.upcast ?? {}),
    was,
    keep: options.keep === undefined ? undefined : milliseconds(options.keep, 'keep'),
  }
  // `type` and the rest become properties of the function; its own `name` shows the type in stack traces.
  Object.defineProperty(make, 'name', { value: type })
  return Object.freeze(Object.assign(make, { type, ...definition })) as EventDefinition<
    Type,
    StandardSchemaV1.InferInput<Schema>,
    StandardSchemaV1.InferOutput<Schema>
  >
}

/** A schema that checks nothing at run time and gives the data a type. */
export function unchecked<Data>(): StandardSchemaV1<Data> {
  return { '~standard': { version: 1, vendor: 'hodisa', validate: (value) => ({ value: value as Data }) } }
}

function isStandardSchema(schema: unknown): schema is StandardSchemaV1 {
  // ArkType's schemas are functions, so `in` is asked of both.
  return (
    (typeof schema === 'object' || typeof schema === 'function') &&
    schema !== null &&
    '~standard' in schema &&
    typeof (schema as StandardSchemaV1)['~standard']?.validate === 'function'
  )
}

function formerTypes(type: string, was: unknown): readonly string[] {
  const invalid = (rule: string) =>
    new HodisaError('invalid-definition', `event ${type}: was must ${rule}`, { type, was: String(was) })
  if (!Array.isArray(was)) throw invalid('be an array of types')
  for (const former of was) assertType(former)
  if (new Set([type, ...was]).size <= was.length) throw invalid('name other types than its own, each once')
  if (was.some((former: string) => former.split('.', 1)[0] === OWN) && type.split('.', 1)[0] !== OWN) {
    throw invalid(`not name types of "${OWN}"`)
  }
  return Object.freeze([...was])
}

function upcastChain(type: string, version: number, steps: Readonly<Record<number, Upcaster>>): Map<number, Upcaster> {
  const chain = new Map<number, Upcaster>()
  for (const [from, step] of Object.entries(steps)) {
    const number = Number(from)
    if (!Number.isSafeInteger(number) || number < 1 || number >= version || typeof step !== 'function') {
      throw new HodisaError(
        'invalid-definition',
        `event ${type}: upcast[${from}] must be a function from a version below ${version}`,
        { type, version, from },
      )
    }
    chain.set(number, step)
  }
  for (let older = 1; older < version; older++) {
    if (!chain.has(older)) {
      throw new HodisaError('invalid-definition', `event ${type}: upcast[${older}] is missing for version ${version}`, {
        type,
        version,
        missing: older,
      })
    }
  }
  return chain
}

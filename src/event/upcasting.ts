import { HodisaError } from '../errors.ts'
import type { NewEvent } from './types.ts'

/*
 * What an upcaster gives, and the types that hold a chain of them together. The type of each step follows from the parameter of the
 * next one; counting goes up to the version, so it costs nothing where there is but one.
 */

// Registered, both of them: definitions and the app may come from two copies of the package.
const DROPPED: unique symbol = Symbol.for('hodisa.dropped')
export const SPLIT: unique symbol = Symbol.for('hodisa.split')

/** What {@link dropped} is. An object, for the type of a unique symbol is lost where a function returns it. */
export interface Dropped {
  readonly [DROPPED]: true
}

/** What an upcaster gives for an event that is not to be seen any more: no reader and no handler gets it. */
export const dropped: Dropped = Object.freeze({ [DROPPED]: true } as const)

export function isDropped(value: unknown): value is Dropped {
  return typeof value === 'object' && value !== null && DROPPED in value
}

/** What {@link splitInto} gives. Marked, because data may have members of any name. */
export interface Split<out Own> {
  readonly [SPLIT]: true
  readonly own: Own
  readonly others: readonly NewEvent[]
}

/**
 * Given by an upcaster for an event that held several facts: `own` is what it is itself from now on (data of the next version, or
 * {@link dropped}), and `others` are events of other definitions, validated by their schemas. Readers and handlers see `own` first,
 * then the others in order, all at the place of the one that was recorded. The others have its id with `#2`, `#3` … behind it.
 */
export function splitInto<Own>(own: Own, ...others: readonly [NewEvent, ...NewEvent[]]): Split<Own> {
  for (const other of others) {
    if (typeof other === 'object' && other !== null && typeof other.type === 'string' && other.extras === undefined) {
      continue
    }
    throw new HodisaError(
      'invalid-option',
      'splitInto: the others must be events without extras, e.g. OrderPaid({ … })',
    )
  }
  return { [SPLIT]: true, own, others }
}

export function isSplit(value: unknown): value is Split<unknown> {
  return typeof value === 'object' && value !== null && SPLIT in value
}

/** Brings the data of one version to the next. Pure and synchronous; applied on read. */
export type Upcaster = (data: never) => unknown

/** What a step may give where the next one takes `Next`. */
export type Upcasted<Next> = Next | Dropped | Split<Next | Dropped>

/** The steps, by the version they start from: what each gives is what the next one takes, and in the end `Output`. */
export type UpcastChain<Parameters, Version extends number, Output> = {
  readonly [From in keyof Parameters]: (
    data: Parameters[From],
  ) => number extends Version
    ? unknown
    : Upcasted<Taken<Parameters, Successor<From & string, Version>, Version, Output>>
}

/** Asks for the steps that a literal version needs and that are not there. */
export type MissingSteps<Parameters, Version extends number> = number extends Version
  ? unknown
  : [Exclude<Below<Version>, keyof Parameters>] extends [never]
    ? unknown
    : { readonly upcast: { readonly [From in Exclude<Below<Version>, keyof Parameters>]: Upcaster } }

type Taken<Parameters, Step extends string, Version extends number, Output> = [Step] extends [never]
  ? never // a step from a version that is not below the current one
  : Step extends `${Version}`
    ? Output
    : Step extends keyof Parameters
      ? Parameters[Step]
      : unknown // the missing step is asked for by itself

/** `'1' | '2'` for 3. */
type Below<Version extends number> = keyof Successors<Version> & string
type Successor<Step extends string, Version extends number> =
  Step extends Below<Version> ? Successors<Version>[Step] & string : never

/** `{ 1: '2', 2: '3' }` for 3. */
type Successors<
  Version extends number,
  Counted extends readonly unknown[] = [unknown],
  Found = object,
> = `${Version}` extends `${Counted['length'] & number}` | '0' | `-${string}` | `${string}.${string}`
  ? Found
  : Successors<
      Version,
      [...Counted, unknown],
      Found & { [Step in `${Counted['length'] & number}`]: `${[...Counted, unknown]['length'] & number}` }
    >

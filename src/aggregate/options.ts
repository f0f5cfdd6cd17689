import { assertOptions, assertTexts, invalidOption } from '../event/input.ts'
import type { EventExtras } from '../event/types.ts'

/** How a command is executed. */
export interface ExecuteOptions extends Pick<EventExtras, 'correlationId' | 'causationId' | 'metadata'> {
  /**
   * The caller's own id of this execution, unique for the aggregate and the command: executed again, it gives what it gave the
   * first time, and nothing is decided or recorded. A success is known for ever, a rejection for 7 days.
   */
  readonly id?: string
  /** What the caller saw: on any other revision nothing is decided, but `revision-conflict` thrown. */
  readonly expectedRevision?: number
  /** How many times it is decided, on newer states each, while others write first; 50 by default. */
  readonly attempts?: number
}

/** How a decision on several aggregates is made. */
export interface DecideOptions extends Omit<ExecuteOptions, 'expectedRevision'> {
  /** What the decision is made from, as far as an `id` is to be held to it: the same id with other input is refused. */
  readonly input?: unknown
}

/** Of an aggregate, which of its states is meant; the current one by default. */
export interface LoadOptions {
  /** The state at that time (of the store's clock): a Date, or a text such as `2024-01-15`. */
  readonly at?: Date | string
  /** The state after that event. */
  readonly revision?: number
}

export function assertExecuteOptions(call: string, options: ExecuteOptions | DecideOptions): void {
  assertOptions(call, options)
  assertTexts(options, ['id', 'correlationId', 'causationId'])
  const { attempts } = options
  if (attempts !== undefined && !(Number.isSafeInteger(attempts) && attempts >= 1)) {
    throw invalidOption('attempts', 'must be an integer from 1', attempts)
  }
  if ('expectedRevision' in options && options.expectedRevision !== undefined) {
    assertRevision('expectedRevision', options.expectedRevision)
  }
}

/** Ms since 1970, or a revision; undefined for the current state. */
export function momentOf(options: LoadOptions): { readonly time: number } | { readonly revision: number } | undefined {
  assertOptions('load', options)
  const { at, revision } = options
  if (revision !== undefined) {
    if (at !== undefined) throw invalidOption('at', 'and revision exclude each other', at)
    assertRevision('revision', revision)
    return { revision }
  }
  if (at === undefined) return undefined
  const time = at instanceof Date || typeof at === 'string' ? new Date(at).getTime() : Number.NaN
  if (Number.isNaN(time)) throw invalidOption('at', 'must be a valid Date, or a text such as "2024-01-15"', at)
  return { time }
}

function assertRevision(option: string, revision: unknown): void {
  if (Number.isSafeInteger(revision) && Number(revision) >= 0) return
  throw invalidOption(option, 'must be an integer from 0', revision)
}

import { HodisaError } from '../errors.ts'
import type { AnyEventDefinition } from './definition.ts'
import type { NewEvent } from './types.ts'
import { type Dropped, isDropped, isSplit } from './upcasting.ts'

/** Which recorded event an error is about. */
export interface UpcastSubject {
  readonly id: string
  readonly type: string
  readonly version: number
  readonly position: number
}

/** What has become of an event: its own data, if there is any left, and what was split off it. */
export interface UpcastResult {
  readonly own: unknown | Dropped
  readonly others: readonly NewEvent[]
}

/**
 * Brings recorded data to the version of the definition, step by step.
 *
 * @throws {HodisaError} `upcast-failed`, naming the event and the step.
 */
export function upcast(definition: AnyEventDefinition, recorded: UpcastSubject, data: unknown): UpcastResult {
  let own = data
  let others: readonly NewEvent[] = []
  for (let version = recorded.version; version < definition.version && !isDropped(own); version++) {
    const step = definition.upcasters.get(version)
    if (step === undefined) continue
    try {
      own = step(own as never)
    } catch (error) {
      throw upcastFailed(definition, recorded, `upcast[${version}] of ${definition.type} threw ${String(error)}`, error)
    }
    if (own instanceof Promise) {
      own.catch(() => undefined)
      throw upcastFailed(definition, recorded, `upcast[${version}] of ${definition.type} is asynchronous`)
    }
    if (isSplit(own)) {
      others = [...others, ...own.others]
      own = own.own
    }
  }
  return { own, others }
}

export function upcastFailed(
  definition: AnyEventDefinition,
  { id, type, version, position }: UpcastSubject,
  what: string,
  cause?: unknown,
): HodisaError {
  const recordedAs = type === definition.type ? '' : `recorded as ${type}, `
  return new HodisaError(
    'upcast-failed',
    `event ${id} at position ${position} (${recordedAs}version ${version}): ${what}`,
    { id, position, type: definition.type, recordedType: type, version },
    cause,
  )
}

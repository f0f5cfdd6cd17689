import { HodisaError } from '../errors.ts'
import type { AnyEventDefinition } from './definition.ts'

/**
 * Brings recorded data to the version of the definition, step by step.
 *
 * @throws {HodisaError} `upcast-failed`, naming the event and the step.
 */
export function upcast(
  definition: AnyEventDefinition,
  recorded: { readonly id: string; readonly version: number; readonly position: number },
  data: unknown,
): unknown {
  let current = data
  for (let version = recorded.version; version < definition.version; version++) {
    const step = definition.upcasters.get(version)
    try {
      current = step === undefined ? current : step(current as never)
    } catch (error) {
      throw new HodisaError(
        'upcast-failed',
        `event ${recorded.id} at position ${recorded.position}: upcast[${version}] of ${definition.type} threw ${String(error)}`,
        { id: recorded.id, position: recorded.position, type: definition.type, version },
        error,
      )
    }
  }
  return current
}

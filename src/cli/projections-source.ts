import type { AnyEventDefinition, Projection } from '../index.ts'
import { definitionsOf, load } from './definitions.ts'
import { CommandError } from './failure.ts'

export type AnyProjection = Projection<never>

/** What modules export: projections, and definitions that their events may need to be brought to the current version. */
export interface ProjectionSource {
  readonly projections: readonly AnyProjection[]
  readonly events: readonly AnyEventDefinition[]
}

/**
 * @param names only these; all that are found when empty
 * @throws {CommandError} `no-projections`
 */
export async function projectionsIn(paths: readonly string[], names: readonly string[]): Promise<ProjectionSource> {
  const projections = new Map<string, AnyProjection>()
  const events = new Set<AnyEventDefinition>()
  for (const path of paths) {
    const module = await load(path)
    for (const projection of projectionsOf(module, 3)) projections.set(projection.name, projection)
    for (const definition of definitionsOf(module, 3)) events.add(definition)
  }
  const missing = names.find((name) => !projections.has(name))
  if (missing !== undefined || projections.size === 0) {
    const what = missing === undefined ? 'no projection' : `no projection ${missing}`
    throw new CommandError('no-projections', `${paths.join(', ')} exports ${what}`)
  }
  const chosen = [...projections.values()].filter(({ name }) => names.length === 0 || names.includes(name))
  return { projections: chosen, events: [...events] }
}

function* projectionsOf(value: unknown, depth: number): Generator<AnyProjection> {
  if (isProjection(value)) yield value
  else if (typeof value === 'object' && value !== null && depth > 0) {
    for (const inner of Object.values(value)) yield* projectionsOf(inner, depth - 1)
  }
}

/** By its mark: the module may have its definitions from another copy of the package. */
function isProjection(value: unknown): value is AnyProjection {
  const mark = Symbol.for('hodisa.projection')
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === mark
}

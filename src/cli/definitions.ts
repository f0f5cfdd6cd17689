import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { AnyEventDefinition } from '../index.ts'
import { CommandError } from './failure.ts'

/** The definitions that modules export: each by itself, or in arrays and objects. */
export async function definitionsIn(paths: readonly string[]): Promise<readonly AnyEventDefinition[]> {
  const found = new Map<string, AnyEventDefinition>()
  for (const path of paths) {
    const definitions = new Set([...definitionsOf(await load(path), 3)])
    if (definitions.size === 0) throw new CommandError('no-definitions', `${path} exports no event definition`)
    for (const definition of definitions) {
      const before = found.get(definition.type)
      if (before !== undefined && before !== definition) {
        throw new CommandError('no-definitions', `event ${definition.type} is defined twice in ${paths.join(', ')}`)
      }
      found.set(definition.type, definition)
    }
  }
  return [...found.values()].sort((one, other) => (one.type < other.type ? -1 : 1))
}

/** @throws {CommandError} `no-definitions` */
export async function load(path: string): Promise<unknown> {
  const file = resolve(path)
  if (!existsSync(file)) throw new CommandError('no-definitions', `there is no module ${path}`)
  try {
    return await import(/* @vite-ignore */ pathToFileURL(file).href)
  } catch (error) {
    throw new CommandError('no-definitions', `${path} cannot be loaded: ${String(error)}`)
  }
}

/** By themselves, or in arrays and objects. */
export function* definitionsOf(value: unknown, depth: number): Generator<AnyEventDefinition> {
  if (isDefinition(value)) yield value
  else if (typeof value === 'object' && value !== null && depth > 0) {
    for (const inner of Object.values(value)) yield* definitionsOf(inner, depth - 1)
  }
}

/** By its looks: the module may have its definitions from another copy of the package. */
function isDefinition(value: unknown): value is AnyEventDefinition {
  if (typeof value !== 'function') return false
  const { type, version, upcasters } = value as Partial<AnyEventDefinition>
  return typeof type === 'string' && typeof version === 'number' && upcasters instanceof Map
}

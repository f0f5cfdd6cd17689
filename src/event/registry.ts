import { HodisaError } from '../errors.ts'
import type { AnyEventDefinition } from './definition.ts'

/** The definitions a program knows, by type. */
export class Registry {
  readonly #byType = new Map<string, AnyEventDefinition>()

  constructor(definitions: readonly AnyEventDefinition[] = []) {
    for (const definition of definitions) this.add(definition)
  }

  /** Adding the same definition again changes nothing. */
  add(definition: AnyEventDefinition): void {
    if (typeof definition !== 'function' || typeof definition.type !== 'string') {
      throw new HodisaError('invalid-option', 'events must be what defineEvent returned', {})
    }
    const before = this.#byType.get(definition.type)
    if (before !== undefined && before !== definition) {
      throw new HodisaError('duplicate-definition', `event ${definition.type} is defined twice`, {
        type: definition.type,
      })
    }
    this.#byType.set(definition.type, definition)
  }

  get(type: string): AnyEventDefinition | undefined {
    return this.#byType.get(type)
  }

  /** @throws {HodisaError} `unknown-type`, naming the types that are near it. */
  require(type: string): AnyEventDefinition {
    const definition = this.#byType.get(type)
    if (definition !== undefined) return definition
    const near = [...this.#byType.keys()].filter((known) => known.split('.')[0] === String(type).split('.')[0])
    const hint = near.length > 0 ? `; known are ${near.slice(0, 5).join(', ')}` : ''
    throw new HodisaError('unknown-type', `event type ${JSON.stringify(type)} is not defined in this app${hint}`, {
      type: String(type),
    })
  }

  /** Whether an event can be brought to the version that this program works with. */
  canRead(type: string, version: number): boolean {
    const definition = this.#byType.get(type)
    return definition === undefined || version <= definition.version
  }

  /** The newest version known of each type. */
  versions(): Record<string, number> {
    return Object.fromEntries([...this.#byType].map(([type, { version }]) => [type, version]))
  }

  *[Symbol.iterator](): Iterator<AnyEventDefinition> {
    yield* this.#byType.values()
  }
}

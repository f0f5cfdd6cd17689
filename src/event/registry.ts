import { HodisaError } from '../errors.ts'
import type { AnyEventDefinition } from './definition.ts'
import { type Pattern, parsePattern } from './pattern.ts'

/** The definitions a program knows, by type. An event also goes by the types it was recorded as before it was renamed. */
export class Registry {
  readonly #byType = new Map<string, AnyEventDefinition>()
  readonly #byFormerType = new Map<string, AnyEventDefinition>()

  constructor(definitions: readonly AnyEventDefinition[] = []) {
    for (const definition of definitions) this.add(definition)
  }

  /** Adding the same definition again changes nothing. */
  add(definition: AnyEventDefinition): void {
    if (typeof definition !== 'function' || typeof definition.type !== 'string') {
      throw new HodisaError('invalid-option', 'events must be what defineEvent returned', {})
    }
    for (const type of [definition.type, ...definition.was]) {
      const before = this.get(type)
      if (before === undefined || before === definition) continue
      const twice = type === definition.type && type === before.type
      throw new HodisaError(
        'duplicate-definition',
        twice
          ? `event ${type} is defined twice`
          : `event type ${type} is claimed by two definitions: ${before.type} and ${definition.type}`,
        { type, definitions: [before.type, definition.type] },
      )
    }
    this.#byType.set(definition.type, definition)
    for (const former of definition.was) this.#byFormerType.set(former, definition)
  }

  /** By the type of a recorded event, which may be a former one. */
  get(type: string): AnyEventDefinition | undefined {
    return this.#byType.get(type) ?? this.#byFormerType.get(type)
  }

  /** What a recorded event of this type is read as. */
  currentType(type: string): string {
    return this.#byFormerType.get(type)?.type ?? type
  }

  /**
   * The names under which events stand in the log that one of the patterns names: each pattern itself, and the former types of
   * what it matches.
   */
  recordedAs(patterns: readonly string[]): readonly string[] {
    if (this.#byFormerType.size === 0) return patterns
    return [...new Set(patterns.flatMap((pattern) => [pattern, ...this.formerTypes(parsePattern(pattern)).keys()]))]
  }

  /** Former types that the pattern does not match by themselves, though it matches what they are read as. */
  formerTypes(pattern: Pattern): Map<string, AnyEventDefinition> {
    const found = new Map<string, AnyEventDefinition>()
    for (const [former, definition] of this.#byFormerType) {
      if (!pattern.matches(former) && pattern.matches(definition.type)) found.set(former, definition)
    }
    return found
  }

  /** @throws {HodisaError} `unknown-type`, naming the types that are near it. */
  require(type: string): AnyEventDefinition {
    const definition = this.#byType.get(type)
    if (definition !== undefined) return definition
    const renamed = this.#byFormerType.get(type)
    if (renamed !== undefined) {
      throw new HodisaError('unknown-type', `event type ${type} was renamed: publish ${renamed.type}`, { type })
    }
    const near = [...this.#byType.keys()].filter((known) => known.split('.')[0] === String(type).split('.')[0])
    const hint = near.length > 0 ? `; known are ${near.slice(0, 5).join(', ')}` : ''
    throw new HodisaError('unknown-type', `event type ${JSON.stringify(type)} is not defined in this app${hint}`, {
      type: String(type),
    })
  }

  /** Whether an event can be brought to the version that this program works with. */
  canRead(type: string, version: number): boolean {
    const definition = this.get(type)
    return definition === undefined || version <= definition.version
  }

  /** The newest version known of each type, former ones too. */
  versions(): Record<string, number> {
    const all = [...this.#byType, ...this.#byFormerType]
    return Object.fromEntries(all.map(([type, { version }]) => [type, version]))
  }

  *[Symbol.iterator](): Iterator<AnyEventDefinition> {
    yield* this.#byType.values()
  }
}

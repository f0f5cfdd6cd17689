import { PROJECTION } from '../delivery/one-lane.ts'
import { HodisaError } from '../errors.ts'
import type { AnyEventDefinition } from '../event/definition.ts'
import { assertFunction, assertOptions, invalidOption, shown } from '../event/input.ts'
import { fingerprint } from '../event/json.ts'
import { anyOf, overlap, type Pattern, parsePattern } from '../event/pattern.ts'
import type { Registry } from '../event/registry.ts'
import type { What } from '../event/typed.ts'
import type { ProjectedEvent, Projection, ProjectionHandler, ProjectionOptions } from './types.ts'

const NAME = /^[a-z0-9][a-z0-9_-]{0,99}$/
const KIND = Symbol.for('hodisa.projection')
const FIELD = /^[^.\s]+(\.[^.\s]+)*$/

/** Any document: what the types say of it is not known at run time. */
export type Document = object

export type Handler = ProjectionHandler<Document, ProjectedEvent>

/** As the types of the face leave it. */
type AnyOptions = Omit<ProjectionOptions<Document>, 'indexes'> & { readonly indexes?: readonly string[] }

interface Registered {
  readonly patterns: readonly Pattern[]
  readonly handler: Handler
}

/**
 * Defines a projection: `.on(OrderCreated, (view, event) => view.set(event.data.orderId, { … }))` adds what it does with an event.
 *
 * @param name lower-case letters, digits, `-` and `_`
 * @throws {HodisaError} `invalid-definition`, naming the option and the rule
 */
export function defineProjection<Doc extends object>(name: string, options: ProjectionOptions<Doc>): Projection<Doc> {
  // The implementation is not generic: the document's type is the face's alone.
  return new DefinedProjection(name, options) as unknown as Projection<Doc>
}

/** The projection behind the face. */
export class DefinedProjection {
  readonly kind = KIND
  readonly name: string
  readonly version: number
  readonly indexes: readonly string[]
  readonly inline: boolean
  readonly sql: boolean
  readonly onVersionChange: 'build' | 'refuse'
  readonly partition: ((event: ProjectedEvent) => string) | undefined
  readonly #handlers: Registered[] = []
  readonly #definitions = new Set<AnyEventDefinition>()
  readonly #found = new Map<string, Handler | undefined>()
  #sealed = false

  constructor(name: string, options: AnyOptions) {
    assertOptions('a projection', options)
    const { version, indexes = [], inline = false, sql = false, onVersionChange = 'build', partition } = options ?? {}
    const invalid = (rule: string, details: Record<string, unknown>) =>
      new HodisaError('invalid-definition', `projection ${shown(name)}: ${rule}`, {
        projection: String(name),
        ...details,
      })
    if (typeof name !== 'string' || !NAME.test(name)) {
      throw invalid('its name must be 1 to 100 lower-case letters, digits, "-" and "_"', {})
    }
    if (!Number.isSafeInteger(version) || version < 1) throw invalid('version must be an integer from 1', { version })
    if (!Array.isArray(indexes)) throw invalid('indexes must be an array of fields', {})
    const wrong = indexes.find((field) => typeof field !== 'string' || !FIELD.test(field) || field.length > 200)
    if (wrong !== undefined) throw invalid(`${JSON.stringify(wrong)} is no path of a field`, { index: String(wrong) })
    if (new Set(indexes).size < indexes.length) throw invalid('indexes must name each field once', { indexes })
    if (!['build', 'refuse'].includes(onVersionChange)) throw invalid('onVersionChange must be "build" or "refuse"', {})
    if (partition !== undefined) {
      assertFunction('partition', partition)
      if (inline || sql) throw invalid('partition goes neither with inline nor with sql', {})
    }
    this.partition = partition
    this.name = name
    this.version = version
    this.indexes = Object.freeze([...indexes])
    this.inline = inline
    this.sql = sql
    this.onVersionChange = onVersionChange
  }

  on(what: What, handler: Handler): this {
    assertFunction('handler', handler)
    if (this.#sealed) {
      throw new HodisaError('app-started', `projection ${this.name}: a handler was added when an app used it already`, {
        projection: this.name,
      })
    }
    const all = [what].flat() as readonly (string | AnyEventDefinition)[]
    const patterns = all.map((one) => parsePattern(typeof one === 'string' ? one : one?.type))
    if (patterns.length === 0) throw invalidOption('what', 'must name at least one event', what)
    for (const before of this.patterns) for (const pattern of patterns) this.#assertApart(before, pattern)
    for (const one of all) if (typeof one !== 'string') this.#definitions.add(one)
    this.#handlers.push({ patterns, handler })
    this.#found.clear()
    return this
  }

  #assertApart(one: Pattern, other: Pattern): void {
    if (one.rank !== other.rank || !overlap(one, other)) return
    throw new HodisaError(
      'handler-conflict',
      one.text === other.text
        ? `projection ${this.name} has two handlers for ${one.text}`
        : `projection ${this.name}: ${one.text} and ${other.text} are equally specific and can match the same event`,
      { projection: this.name, patterns: [one.text, other.text] },
    )
  }

  get patterns(): readonly Pattern[] {
    return this.#handlers.flatMap(({ patterns }) => patterns)
  }

  /** `order-summary@1`: the name of what this version builds. */
  get id(): string {
    return `${this.name}@${this.version}`
  }

  /** The group that runs it. */
  get service(): string {
    return `${PROJECTION}${this.id}`
  }

  /** Takes no more handlers; the definitions it names are known to the app from now on. */
  seal(registry: Registry): void {
    if (this.#handlers.length === 0) {
      throw new HodisaError('invalid-definition', `projection ${this.name} has no handler`, { projection: this.name })
    }
    this.#sealed = true
    for (const definition of this.#definitions) registry.add(definition)
  }

  /** What makes its documents what they are, but for the code of its handlers: one text, equal where nothing has changed. */
  shape(registry: Registry): string {
    // A renamed event is the same event.
    const oldest = ({ text }: Pattern) => registry.get(text)?.was[0] ?? text
    // One that comes to match by its new name, however, is new to the view: what is recorded under the old one was left out.
    const joined = this.patterns
      .filter(({ text }) => text.includes('*'))
      .flatMap((pattern) => [...registry.formerTypes(pattern).keys()])
    const covered = anyOf(this.patterns)
    const patterns = [...new Set([...this.patterns.map(oldest), ...joined.filter((former) => !covered(former))])].sort()
    const partitioned = this.partition !== undefined && { partitioned: true }
    return JSON.stringify({ patterns, indexes: [...this.indexes].sort(), inline: this.inline, ...partitioned })
  }

  /**
   * Tells the code of its handlers, and of the upcasters before them, from what it was when it has been changed; not so the code
   * of functions that they call.
   */
  code(registry: Registry): string {
    const covered = anyOf(this.patterns)
    const upcasters = [...registry]
      .filter(({ type, was }) => [type, ...was].some(covered))
      .map(({ type, upcasters }) => [type, ...[...upcasters.values()].map(String)])
    const handlers = this.#handlers.map(({ patterns, handler }) => [
      ...patterns.map(({ text }) => text),
      String(handler),
    ])
    return fingerprint({ handlers, upcasters, partition: String(this.partition) })
  }

  /** The handler of events that are read as this type: that of its name, else that of a name it was recorded under. */
  find(type: string, registry: Registry): Handler | undefined {
    const own = this.#best(type)
    if (own !== undefined) return own
    for (const former of registry.get(type)?.was ?? []) {
      const handler = this.#best(former)
      if (handler !== undefined) return handler
    }
    return undefined
  }

  #best(type: string): Handler | undefined {
    if (this.#found.has(type)) return this.#found.get(type)
    let best: { handler: Handler; rank: number } | undefined
    for (const { patterns, handler } of this.#handlers) {
      for (const { matches, rank } of patterns) {
        if (matches(type) && (best === undefined || rank > best.rank)) best = { handler, rank }
      }
    }
    this.#found.set(type, best?.handler)
    return best?.handler
  }
}

/** By its mark: a module may have its definitions from another copy of the package. */
export function isProjection(value: unknown): value is DefinedProjection {
  return typeof value === 'object' && value !== null && (value as Partial<DefinedProjection>).kind === KIND
}

/** @throws {HodisaError} `invalid-option` for anything but what `defineProjection` made. */
export function definedBy(projection: unknown): DefinedProjection {
  if (isProjection(projection)) return projection
  throw invalidOption('projection', 'must be what defineProjection returned', projection)
}

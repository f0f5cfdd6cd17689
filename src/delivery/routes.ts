import { HodisaError } from '../errors.ts'
import type { AnyEventDefinition } from '../event/definition.ts'
import { overlap, type Pattern, parsePattern } from '../event/pattern.ts'
import type { Registry } from '../event/registry.ts'
import type { What } from '../event/typed.ts'
import type { RecordedEvent } from '../event/types.ts'
import type { EffectContext, HandlerContext } from './context.ts'
import type { From } from './options.ts'

interface Registered {
  readonly patterns: readonly Pattern[]
  readonly from: From | undefined
  readonly usage: Usage
}

/** What a handler has done in this process, for `explain`. */
export interface Usage {
  attempts: number
  /** How many of them committed with `ctx.commit`. */
  commits: number
}

/** A handler of one event at a time. */
export interface EachRoute extends Registered {
  readonly mode: 'each'
  readonly handler: (event: RecordedEvent, ctx: HandlerContext) => void | Promise<void>
}

/** A handler of several events together. */
export interface BatchRoute extends Registered {
  readonly mode: 'batch'
  readonly size: number
  /** Ms. */
  readonly wait: number
  readonly handler: (events: readonly RecordedEvent[], ctx: EffectContext) => void | Promise<void>
}

export type Route = EachRoute | BatchRoute

/** Which handler of a service an event goes to: the most specific. */
export class Routes {
  readonly #service: string
  readonly #registry: Registry
  readonly #routes: Route[] = []
  readonly #found = new Map<string, Route | undefined>()

  constructor(service: string, registry: Registry) {
    this.#service = service
    this.#registry = registry
  }

  /** @throws {HodisaError} `handler-conflict` where an event could go to two handlers alike. */
  add(route: Route): void {
    for (const before of this.#routes) {
      for (const [one, other] of pairs(before.patterns, route.patterns)) {
        if (one.rank !== other.rank || !overlap(one, other)) continue
        throw new HodisaError(
          'handler-conflict',
          one.text === other.text
            ? `service ${this.#service} has two handlers for ${one.text}`
            : `service ${this.#service}: ${one.text} and ${other.text} are equally specific and can match the same event`,
          { service: this.#service, patterns: [one.text, other.text] },
        )
      }
    }
    this.#routes.push(route)
    this.#found.clear()
  }

  /** By the type that an event was recorded as: a renamed one goes where its new name leads, else where the old one does. */
  find(recorded: string): Route | undefined {
    const current = this.#registry.currentType(recorded)
    return this.#best(current) ?? (current === recorded ? undefined : this.#best(recorded))
  }

  #best(type: string): Route | undefined {
    if (this.#found.has(type)) return this.#found.get(type)
    let best: { route: Route; rank: number } | undefined
    for (const route of this.#routes) {
      for (const pattern of route.patterns) {
        if (pattern.matches(type) && (best === undefined || pattern.rank > best.rank))
          best = { route, rank: pattern.rank }
      }
    }
    this.#found.set(type, best?.route)
    return best?.route
  }

  [Symbol.iterator](): Iterator<Route> {
    return this.#routes.values()
  }

  get isEmpty(): boolean {
    return this.#routes.length === 0
  }

  /** The patterns to subscribe: those of the handlers, and the former names of what they match. */
  subscriptions(): readonly WantedSubscription[] {
    const wanted = new Map<string, WantedSubscription>()
    const all = this.#routes.flatMap(({ patterns, from }) => patterns.map((pattern) => ({ pattern, from })))
    for (const { pattern, from } of all) wanted.set(pattern.text, { pattern: pattern.text, from, formerly: [] })
    for (const { pattern, from } of all) {
      for (const [former, { type }] of this.#registry.formerTypes(pattern)) {
        if (!wanted.has(former)) wanted.set(former, { pattern: former, from, formerly: [] })
        const before = wanted.get(type) ?? { pattern: type, from, formerly: [] }
        wanted.set(type, { ...before, formerly: [...before.formerly, former] })
      }
    }
    return [...wanted.values()]
  }
}

/** A pattern to subscribe. */
export interface WantedSubscription {
  readonly pattern: string
  /** Where it begins, if its handler says so. */
  readonly from: From | undefined
  /** Other names of the same event: where one of them is subscribed already, this one goes on from there. */
  readonly formerly: readonly string[]
}

/** The patterns that a handler is registered for. */
export function patternsOf(what: What): Pattern[] {
  return [what]
    .flat()
    .map((one: string | AnyEventDefinition) => parsePattern(typeof one === 'string' ? one : one?.type))
}

function* pairs(left: readonly Pattern[], right: readonly Pattern[]): Generator<[Pattern, Pattern]> {
  for (const one of left) for (const other of right) yield [one, other]
}

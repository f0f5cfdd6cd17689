import { HodisaError } from '../errors.ts'
import { type Duration, milliseconds } from '../event/duration.ts'
import { assertOptions } from '../event/input.ts'
import type { Registry } from '../event/registry.ts'
import type { What } from '../event/typed.ts'
import { assertFrom, atLeast, type From, type ResolvedOptions } from './options.ts'
import { type BatchRoute, type EachRoute, patternsOf, Routes } from './routes.ts'

/** A service while it is being defined; the types of its face are in app-types. */
export class ServiceBuilder {
  readonly name: string
  readonly options: ResolvedOptions
  readonly routes: Routes
  readonly #registry: Registry
  readonly #isOpen: () => boolean

  constructor(name: string, options: ResolvedOptions, registry: Registry, isOpen: () => boolean) {
    this.name = name
    this.options = options
    this.routes = new Routes(name, registry)
    this.#registry = registry
    this.#isOpen = isOpen
  }

  on(what: What, handler: EachRoute['handler'], options: { readonly from?: From } = {}): this {
    this.#assertHandler(handler)
    assertOptions('on', options)
    this.routes.add({ mode: 'each', handler, ...this.#registered(what, options.from) })
    return this
  }

  onBatch(
    what: What,
    options: { readonly size: number; readonly wait: Duration; readonly from?: From },
    handler: BatchRoute['handler'],
  ): this {
    this.#assertHandler(handler)
    assertOptions('onBatch', options)
    const size = atLeast('size', options?.size, 1, true)
    const wait = milliseconds(options?.wait, 'wait')
    this.routes.add({ mode: 'batch', handler, size, wait, ...this.#registered(what, options.from) })
    return this
  }

  #registered(what: What, from: From | undefined) {
    if (!this.#isOpen()) {
      throw new HodisaError('app-started', `service ${this.name}: a handler was added after app.start()`, {
        service: this.name,
      })
    }
    const patterns = patternsOf(what)
    if (patterns.length === 0) {
      throw new HodisaError('invalid-option', `service ${this.name}: a handler needs at least one event`, {
        service: this.name,
      })
    }
    for (const one of [what].flat()) if (typeof one !== 'string') this.#registry.add(one)
    if (from !== undefined) assertFrom(from)
    return { patterns, from, usage: { attempts: 0, commits: 0 } }
  }

  #assertHandler(handler: unknown): void {
    if (typeof handler === 'function') return
    throw new HodisaError(
      'invalid-option',
      `service ${this.name}: a handler must be a function, not ${typeof handler}`,
      {
        service: this.name,
      },
    )
  }
}

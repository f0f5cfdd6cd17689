import { Aggregates } from './aggregate/aggregates.ts'
import type { App, HodisaOptions, Outbox, Service } from './app-types.ts'
import { systemClock } from './clock.ts'
import { DeadLetters } from './delivery/dead-letters.ts'
import { Delivery } from './delivery/delivery.ts'
import { explain } from './delivery/explain/explain.ts'
import type { Explanation } from './delivery/explain/explanation.ts'
import { resolveOptions, type ServiceOptions } from './delivery/options.ts'
import { ServiceBuilder } from './delivery/service-builder.ts'
import { Services } from './delivery/services.ts'
import { Settling } from './delivery/settled.ts'
import { SystemLog } from './delivery/system-log.ts'
import { HodisaError } from './errors.ts'
import { withContext } from './event/context.ts'
import type { AnyEventDefinition } from './event/definition.ts'
import { type Duration, milliseconds } from './event/duration.ts'
import { newId as newTypeId } from './event/id.ts'
import {
  assertFunction,
  assertMethods,
  assertObject,
  assertOptions as assertPlain,
  assertTexts,
} from './event/input.ts'
import { assertId, assertService, assertSource } from './event/names.ts'
import { Registry } from './event/registry.ts'
import type { RecordedEvent } from './event/types.ts'
import { Decoder } from './log/decode.ts'
import { Preparer } from './log/prepare.ts'
import { LogReader } from './log/read.ts'
import { refusalInTransaction, type Transaction, userWork } from './log/transaction.ts'
import { type PublishOptions, type StreamAppend, Writer } from './log/write.ts'
import { consoleLogger } from './logger.ts'
import type { ProjectionTools } from './projection/admin.ts'
import { Projections } from './projection/projections.ts'
import { ask, type QueryContext } from './projection/query.ts'
import type { Receipt } from './store/events.ts'
import type { Store } from './store/port.ts'

/**
 * Opens the store and puts an app together. It can publish and read at once; its services run from `app.start()` on.
 *
 * @throws {HodisaError} `invalid-option`, and `store-*` where the store cannot be opened
 */
export async function hodisa<const Definitions extends readonly AnyEventDefinition[] = readonly []>(
  options: HodisaOptions<Definitions>,
): Promise<App<Definitions>> {
  assertOptions(options)
  const { clock = systemClock, logger = consoleLogger, durability = 'fsync' } = options
  const registry = new Registry(options.events)
  const store = await options.store.open({ clock, logger, durability })
  // The implementation is not generic: the types of the face follow from the definitions, the behaviour does not.
  return new HodisaApp({ ...options, clock, logger }, registry, store) as unknown as App<Definitions>
}

type Resolved = HodisaOptions<readonly AnyEventDefinition[]> & Required<Pick<HodisaOptions<[]>, 'clock' | 'logger'>>

class HodisaApp {
  readonly source: string
  readonly deadLetters: DeadLetters
  readonly services: Services
  readonly projections: ProjectionTools
  readonly #options: Resolved
  readonly #registry: Registry
  readonly #store: Store
  readonly #preparer: Preparer
  readonly #decoder: Decoder
  readonly #writer: Writer
  readonly #reader: LogReader
  readonly #settling: Settling
  readonly #aggregates: Aggregates
  readonly #projections: Projections
  readonly #builders = new Map<string, ServiceBuilder>()
  #delivery: Delivery | undefined
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #stopped = false

  constructor(options: Resolved, registry: Registry, engine: Store) {
    const { source, clock, codec } = options
    this.#decoder = new Decoder(registry, codec)
    const newId = options.newId ?? newTypeId
    this.#projections = new Projections({ store: engine, registry, decoder: this.#decoder, codec, clock, newId })
    this.projections = this.#projections.tools
    const store = this.#projections.store
    this.source = source
    this.#options = options
    this.#registry = registry
    this.#store = store
    this.#preparer = new Preparer(registry, source, clock, codec, newId)
    this.#writer = new Writer(store, this.#preparer)
    this.#reader = new LogReader(store, this.#decoder, registry)
    this.#settling = new Settling(store, clock)
    this.#aggregates = new Aggregates({
      ...{ store, registry, preparer: this.#preparer, decoder: this.#decoder },
      ...{ codec, clock, logger: options.logger, random: options.random ?? Math.random },
    })
    this.deadLetters = new DeadLetters(store, { registry, decoder: this.#decoder, codec })
    this.services = new Services(store)
  }

  publish(what: Parameters<Writer['publish']>[0], ...rest: readonly unknown[]): Promise<Receipt> {
    return this.#write('publish', () => this.#writer.publish(what, ...rest))
  }

  append(writes: readonly StreamAppend[], extras?: Parameters<Writer['append']>[1]): Promise<Receipt> {
    return this.#write('append', () => this.#writer.append(writes, extras))
  }

  execute(...args: Parameters<Aggregates['execute']>) {
    return this.#write('execute', () => this.#aggregates.execute(...args))
  }

  decide(...args: Parameters<Aggregates['decide']>) {
    return this.#write('decide', () => this.#aggregates.decide(...args))
  }

  load(...args: Parameters<Aggregates['load']>) {
    return this.#whileOpen(() => this.#aggregates.load(...args))
  }

  project(projection: unknown): void {
    if (this.#starting !== undefined) {
      throw new HodisaError('app-started', 'a projection was registered after app.start()', {})
    }
    this.#projections.add(projection)
  }

  view(...args: Parameters<Projections['view']>) {
    return this.#projections.view(...args)
  }

  query(query: Parameters<typeof ask>[0], input?: unknown): Promise<unknown> {
    const view = (...args: Parameters<Projections['view']>) => this.#projections.view(...args)
    return this.#whileOpen(() => ask(query, input, { view: view as QueryContext['view'] }))
  }

  read(...args: Parameters<LogReader['read']>) {
    return this.#reader.read(...args)
  }

  tail(...args: Parameters<LogReader['tail']>) {
    return this.#reader.tail(...args)
  }

  async get(id: string): Promise<RecordedEvent | undefined> {
    assertId(id)
    return this.#whileOpen(() => this.#reader.get(id))
  }

  service(name: string, options: ServiceOptions = {}): Service<readonly AnyEventDefinition[]> {
    assertService(name)
    if (this.#starting !== undefined) {
      throw new HodisaError('app-started', `service ${name} was defined after app.start()`, { service: name })
    }
    if (this.#builders.has(name)) {
      throw new HodisaError('service-conflict', `service ${name} is defined twice in this app`, { service: name })
    }
    const isOpen = () => this.#starting === undefined
    const builder = new ServiceBuilder(name, resolveOptions(options), this.#registry, isOpen)
    this.#builders.set(name, builder)
    return builder as unknown as Service<readonly AnyEventDefinition[]>
  }

  context<Result>(context: Parameters<typeof withContext>[0], work: () => Result): Result {
    assertObject('context', context)
    assertTexts(context, ['correlationId', 'causationId', 'traceparent', 'tracestate'])
    assertFunction('context', work)
    return withContext(context, work)
  }

  async transaction<Result>(work: (tx: Transaction) => Promise<Result> | Result): Promise<Result> {
    assertFunction('transaction', work)
    const run = userWork(work, (event) => this.#preparer.prepareNow(event))
    const transact = () =>
      this.#store.transaction(async (tx) => {
        const { result: value, events } = await run(tx)
        if (events.length > 0) tx.append({ events, conditions: [], onReuse: 'refuse' })
        return value
      })
    const { result } = await this.#write('transaction', transact)
    return result
  }

  outbox(connection: unknown): Outbox<Receipt | Promise<Receipt>> {
    const outbox = this.#store.outbox(connection)
    return {
      publish: (events, options?: PublishOptions) => outbox.append(this.#writer.requestNow(events, options)),
    }
  }

  settled(...args: Parameters<Settling['settled']>): Promise<void> {
    return this.#whileOpen(() => this.#settling.settled(...args))
  }

  async explain(): Promise<Explanation> {
    return explain({
      source: this.source,
      store: this.#store,
      durability: this.#options.durability ?? 'fsync',
      registry: this.#registry,
      services: [...this.#builders.values()],
      projections: await this.#projections.explain(),
    })
  }

  start(): Promise<void> {
    if (this.#stopping !== undefined) return Promise.reject(new HodisaError('app-stopped', 'the app was stopped'))
    this.#starting ??= this.#start()
    return this.#starting
  }

  async #start(): Promise<void> {
    const { clock, logger, codec, random = Math.random, newId = newTypeId } = this.#options
    const system = new SystemLog({ source: this.source, store: this.#store, clock, logger, codec, newId })
    const host = {
      store: this.#store,
      registry: this.#registry,
      decoder: this.#decoder,
      preparer: this.#preparer,
      clock,
      logger,
      system,
      random,
    }
    const services = [...this.#builders.values()].map(({ name, options, routes }) => {
      if (routes.isEmpty) {
        throw new HodisaError('invalid-definition', `service ${name} has no handler`, { service: name })
      }
      return { ...host, service: name, options, routes }
    })
    await this.#projections.declare()
    this.#delivery = new Delivery({ source: this.source, store: this.#store, clock, logger, newId, system }, [
      ...services,
      ...this.#projections.services(host),
    ])
    await this.#delivery.start()
  }

  async stop(options: { readonly timeout?: Duration } = {}): Promise<void> {
    assertPlain('stop', options)
    const timeout = milliseconds(options.timeout ?? '10s', 'timeout')
    this.#stopping ??= this.#stop(timeout)
    return this.#stopping
  }

  async #stop(timeout: number): Promise<void> {
    await this.#starting?.catch(() => undefined) // start() itself rejected with it
    this.#reader.end()
    const { clock } = this.#options
    const deadline = clock.monotonic() + timeout
    try {
      await this.#delivery?.stop(timeout)
    } finally {
      this.#stopped = true
      await this.#aggregates.stop(Math.max(0, deadline - clock.monotonic()))
      await this.#store.close()
    }
  }

  #write<Result>(call: string, work: () => Promise<Result>): Promise<Result> {
    const refusal = refusalInTransaction(call)
    return refusal === undefined ? this.#whileOpen(work) : Promise.reject(refusal)
  }

  #whileOpen<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#stopped ? Promise.reject(new HodisaError('app-stopped', 'the app was stopped')) : work()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

function assertOptions(options: HodisaOptions<readonly AnyEventDefinition[]>): void {
  const refuse = (option: string, rule: string) => {
    throw new HodisaError('invalid-option', `hodisa(): ${option} must be ${rule}`, { option })
  }
  if (typeof options !== 'object' || options === null) refuse('options', 'an object')
  assertSource(options.source)
  if (typeof options.store?.open !== 'function') refuse('store', 'a store, e.g. sqlite("shop.db")')
  if (options.events !== undefined && !Array.isArray(options.events)) refuse('events', 'an array of definitions')
  if (options.clock !== undefined) assertMethods('clock', options.clock, ['now', 'monotonic', 'after'])
  if (options.logger !== undefined) assertMethods('logger', options.logger, ['debug', 'info', 'warn', 'error'])
  if (options.codec !== undefined) {
    assertTexts(options.codec, ['name'])
    assertMethods('codec', options.codec, ['encode', 'decode'])
  }
  if (!['fsync', 'os', undefined].includes(options.durability)) refuse('durability', '"fsync" or "os"')
}

import { Instance, type Notify } from './instance.ts'
import { SERVICES, type ServiceName } from './services.ts'

export interface FleetSetup {
  readonly env: Readonly<Record<string, string>>
  readonly notify: Notify
}

/** Stays below what a service manager allows, and above the 10 s a service gives its running handlers. */
const STOP_PATIENCE = 15_000

/** All processes of the shop. */
export class Fleet {
  readonly #setup: FleetSetup
  readonly #instances: Instance[] = []
  readonly #finished = Promise.withResolvers<void>()
  readonly #hopeless = Promise.withResolvers<never>()

  constructor(setup: FleetSetup) {
    this.#setup = setup
    this.#hopeless.promise.catch(() => undefined) // whoever waits for it hears of it
  }

  /** Resolves when all orders are in. */
  get ordersIn(): Promise<void> {
    return this.#finished.promise
  }

  /** Rejects when a process cannot be kept up. */
  get hopeless(): Promise<never> {
    return this.#hopeless.promise
  }

  get instances(): readonly Instance[] {
    return this.#instances
  }

  /** Starts all processes of a service. */
  start(service: ServiceName, args: readonly string[] = []): void {
    const wanted = SERVICES.find(({ name }) => name === service)?.instances ?? 0
    for (let number = 1; number <= wanted; number++) {
      const instance = new Instance({
        ...this.#setup,
        service,
        number,
        args,
        onFinished: () => this.#finished.resolve(),
        onHopeless: (reason) => this.#hopeless.reject(new Error(reason)),
      })
      this.#instances.push(instance)
      instance.start()
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#instances.map((instance) => instance.stop(STOP_PATIENCE)))
  }

  /** For the impatient. */
  killAll(): void {
    for (const instance of this.#instances) instance.kill()
  }
}

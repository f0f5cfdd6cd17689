import { hodisa } from '../../app.ts'
import type { App, HodisaOptions } from '../../app-types.ts'
import { memory } from '../../engines/memory/index.ts'
import type { AnyEventDefinition } from '../../event/definition.ts'
import { derivedId } from '../../event/id.ts'
import type { Store, StoreFactory } from '../../store/port.ts'
import { DEFAULT_FAULTS, drawn, type Faults, type Mishap, NO_FAULTS, type Plan } from './faults.ts'
import { observed } from './observed.ts'
import { SimulatedProcess } from './process.ts'
import { Referee, Violation } from './referee.ts'
import { Connection, type Weather } from './store.ts'
import { World } from './world.ts'

type Given = 'store' | 'clock' | 'random' | 'newId' | 'logger' | 'durability'

/** What a simulated process works with, in the place of the machine. */
export interface Simulated {
  /** Opens an app on the simulated store, in the place of `hodisa`. */
  hodisa<const Definitions extends readonly AnyEventDefinition[] = readonly []>(
    options: Omit<HodisaOptions<Definitions>, Given>,
  ): Promise<App<Definitions>>
  /** Counts the processes that were started, from 0. */
  readonly process: number
  /** Lets virtual time pass: in the place of timers, and of everything that takes time. */
  sleep(ms: number): Promise<void>
  /** From 0 to below 1: chance that the seed repeats. */
  random(): number
  /** Virtual ms since the run began. */
  now(): number
}

export interface SimulationSetup {
  /** Opens the app, with its services; started by the simulation, once for each process. */
  app(simulated: Simulated): Promise<App> | App
  /** What happens around the services: publishes, and whatever an operator does. */
  work?(simulated: Simulated): Promise<void>
  /** Looks at the outcome, when everything is finished. Its app meets no faults. */
  check?(simulated: Simulated & { settled(): Promise<void> }): Promise<void>
  readonly instances: number
  readonly faults: Faults | 'none'
  /** Virtual ms in which things go wrong. */
  readonly duration: number
  /** Virtual ms in which everything must be finished afterwards. */
  readonly patience: number
}

interface Instance {
  readonly process: SimulatedProcess
  readonly app: App
}

/** One run: processes that come and go on one store, until everything is finished. */
export class Simulation {
  readonly world: World
  readonly #setup: SimulationSetup
  readonly #factory = memory()
  readonly #weather: Weather
  readonly #plan: Plan
  readonly #running = new Set<Instance>()
  readonly #pending = new Set<Promise<void>>()
  #referee: Referee | undefined
  #processes = 0
  #calm = false

  constructor(seed: number, setup: SimulationSetup) {
    this.world = new World(seed)
    this.#setup = setup
    const faults = setup.faults === 'none' ? NO_FAULTS : { ...DEFAULT_FAULTS, ...setup.faults }
    this.#plan = drawn(faults, setup.duration, this.world.random)
    const { errors, lostHints, slowest } = this.#plan
    this.#weather = { errors, lostHints, slowest, outage: false }
  }

  async run(): Promise<void> {
    const { duration, patience } = this.#setup
    await this.world.run(this.#script(), duration * 10 + patience * 4)
  }

  async #script(): Promise<void> {
    const { instances, duration } = this.#setup
    const { random } = this.world
    this.#referee = new Referee(this.world, await this.#open())
    const first = random.between(1, instances)
    for (let n = 0; n < instances; n++)
      this.#soon(n < first ? random.below(50) : random.below(duration), () => this.#join())
    for (const { at, mishap } of this.#plan.mishaps) this.#soon(at, () => this.#happen(mishap))
    const outside = this.#simulated(this.#process('outside'), calm(20))
    await Promise.all([this.#setup.work?.(outside), this.world.sleep(duration)])
    await this.#recover()
    const settled = () => this.#settled()
    await settled()
    await this.#setup.check?.({ ...outside, settled })
    await this.#stopAll()
  }

  #soon(ms: number, what: () => Promise<void> | void): void {
    const done = this.world.sleep(ms).then(what)
    this.#pending.add(done)
    done.then(
      () => this.#pending.delete(done),
      (error) => this.world.fail(error),
    )
  }

  /** Nothing goes wrong any more; whoever is down comes back. */
  async #recover(): Promise<void> {
    this.#calm = true
    Object.assign(this.#weather, calm(20))
    for (const { process } of this.#running) {
      process.cutOff = false
      process.thaw()
    }
    this.world.say('simulation', 'calm')
    while (this.#pending.size > 0) await Promise.all(this.#pending)
    // One more of the newest kind: what older ones cannot handle has somebody who can.
    for (const before = this.#processes; this.#processes === before || this.#running.size === 0; ) await this.#join(1)
  }

  async #join(more = 0): Promise<void> {
    if (this.#running.size >= this.#setup.instances + more) return
    const process = this.#process(`p${this.#processes}`)
    const simulated = this.#simulated(process, this.#weather)
    const app = await this.#setup.app(simulated)
    const instance = { process, app }
    this.#running.add(instance)
    try {
      await Promise.race([app.start(), process.gone])
      this.world.say(process.name, 'started')
    } catch (error) {
      if (process.state === 'crashed') return
      this.world.say(process.name, `did not start: ${String(error)}`)
      await this.#leave(instance)
      this.#soon(this.#calm ? 100 : this.world.random.below(3_000), () => this.#join())
    }
  }

  async #leave(instance: Instance, timeout = 1_000): Promise<void> {
    const { process, app } = instance
    process.stopping = true
    this.world.say(process.name, 'stops')
    try {
      await Promise.race([app.stop({ timeout }), process.gone])
      this.world.say(process.name, 'stopped')
      await this.world.sleep(20_000)
      if (process.timers > 0 && process.state === 'running')
        throw new Violation(`${process.name} has ${process.timers} timers 20 s after app.stop()`)
    } catch (error) {
      if (error instanceof Violation) throw error
      this.world.say(process.name, `did not stop well: ${String(error)}`)
    }
    // The program ends, and with it whatever still ran.
    process.crash()
    this.#referee?.crashed(process)
    this.#running.delete(instance)
  }

  #happen(mishap: Mishap): void {
    const { random } = this.world
    const candidates = [...this.#running].filter(({ process }) => process.state === 'running' && !process.stopping)
    if (mishap === 'outages' && random.chance(0.5)) {
      this.world.say('simulation', 'the store is out')
      this.#weather.outage = true
      this.#soon(random.below(8_000), () => {
        this.#weather.outage = false
      })
      return
    }
    if (candidates.length === 0 || this.#calm) return
    const instance = random.pick(candidates)
    const { process } = instance
    if (mishap === 'crashes') this.#crash(instance)
    if (mishap === 'freezes')
      process.freeze(random.chance(0.5) ? random.between(100, 5_000) : random.between(5_000, 15_000))
    if (mishap === 'restarts') {
      this.#soon(0, () => this.#leave(instance))
      this.#soon(random.below(8_000), () => this.#join())
    }
    if (mishap === 'outages') {
      process.cutOff = true
      this.world.say(process.name, 'is cut off from the store')
      this.#soon(random.below(10_000), () => {
        process.cutOff = false
      })
    }
    if (mishap === 'clockSteps') process.step(random.between(-3_600_000, 3_600_000))
  }

  #crash(instance: Instance): void {
    instance.process.crash()
    this.#referee?.crashed(instance.process)
    this.#running.delete(instance)
    this.#soon(this.world.random.below(8_000), () => this.#join())
  }

  /** Waits until nothing is unfinished, by the store's account; then by the referee's. */
  async #settled(): Promise<void> {
    const observer = await hodisa({
      ...this.#options(this.#process('observer')),
      source: 'observer',
      store: this.#factory,
    })
    try {
      await observer.settled({ timeout: this.#setup.patience })
    } finally {
      await observer.stop()
    }
    const [first, ...more] = this.#referee?.unfinished() ?? []
    if (first !== undefined) throw new Violation(`settled() resolved, but ${first}, and ${more.length} more`)
  }

  async #stopAll(): Promise<void> {
    await Promise.all([...this.#running].map((instance) => this.#leave(instance)))
    const store = await this.#open()
    const [present] = await store.presence.list()
    for (const service of await store.groups.list()) {
      const { leases } = await store.groups.read(service)
      const kept = leases.find(({ owner }) => owner !== null && owner !== present?.id)
      if (kept !== undefined) this.world.say('referee', `bucket ${kept.bucket} of ${service} stays with ${kept.owner}`)
    }
  }

  #process(name: string): SimulatedProcess {
    return new SimulatedProcess(this.world, name)
  }

  #options(process: SimulatedProcess) {
    const { world } = this
    return {
      clock: process.clock,
      logger: process.logger,
      random: () => world.random.next(),
      newId: (prefix: string) => derivedId(prefix, world.seed, world.unique()),
    }
  }

  #open(): Promise<Store> {
    const { clock, logger } = this.#process('store')
    return this.#factory.open({ clock, logger, durability: 'os' })
  }

  #simulated(process: SimulatedProcess, weather: Weather): Simulated {
    const referee = this.#referee
    if (referee === undefined) throw new Error('the simulation has not begun')
    const { world } = this
    const store: StoreFactory = {
      engine: 'memory',
      open: async (host) => new Connection(world, process, weather, referee, await this.#factory.open(host)).store,
    }
    return {
      hodisa: async (options) => {
        const given = { ...options, ...this.#options(process), store } as Parameters<typeof hodisa>[0]
        return observed(await hodisa(given), process, referee) as never
      },
      process: this.#processes++,
      sleep: (ms) => new Promise((resolve) => process.clock.after(ms, resolve)),
      random: () => world.random.next(),
      now: () => world.time,
    }
  }
}

function calm(slowest: number): Weather {
  return { errors: 0, lostHints: 0, slowest, outage: false }
}

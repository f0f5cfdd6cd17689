import { AsyncLocalStorage } from 'node:async_hooks'
import { HodisaError } from '../../errors.ts'
import type { Progress } from '../../store/groups.ts'
import type { Hint, Store, StoreTransaction } from '../../store/port.ts'
import type { SimulatedProcess } from './process.ts'
import type { Referee } from './referee.ts'
import type { World } from './world.ts'

/** What the way to the store is like at the moment. */
export interface Weather {
  /** Share of calls that fail before the store does anything. */
  errors: number
  /** Share of hints that never arrive. */
  lostHints: number
  /** How slow the slowest calls are, in ms. */
  slowest: number
  /** The store answers nobody. */
  outage: boolean
}

type Work = (tx: StoreTransaction) => Promise<unknown>
type Effects = NonNullable<Parameters<Store['progress']>[1]>

const PARTS = ['presence', 'groups', 'deadLetters', 'documents']
const WRITES = new Set([
  'append',
  'transaction',
  'progress',
  'expire',
  'groups.update',
  'groups.forget',
  'deadLetters.update',
  'documents.define',
  'documents.drop',
  'documents.write',
  'inline',
])

/**
 * A process's connection to the store, over a way that has its weather. Requests arrive, and answers come back, after times
 * drawn from the seed; hints are late, or lost.
 */
export class Connection {
  readonly #world: World
  readonly #process: SimulatedProcess
  readonly #weather: Weather
  readonly #referee: Referee
  readonly #base: Store
  readonly #inWork = new AsyncLocalStorage<{ open: boolean }>()

  constructor(world: World, process: SimulatedProcess, weather: Weather, referee: Referee, base: Store) {
    this.#world = world
    this.#process = process
    this.#weather = weather
    this.#referee = referee
    this.#base = base
  }

  get store(): Store {
    const face = this.#guarded(this.#base, '')
    return new Proxy(face, {
      get: (target, name) =>
        name === 'watch' ? (listener: (hint: Hint) => void) => this.#watch(listener) : Reflect.get(target, name),
    })
  }

  #guarded<Target extends object>(target: Target, prefix: string): Target {
    const members = new Map<PropertyKey, unknown>()
    const member = (name: PropertyKey): unknown => {
      const value: unknown = Reflect.get(target, name, target)
      const path = `${prefix}${String(name)}`
      if (PARTS.includes(path) && typeof value === 'object' && value !== null) return this.#guarded(value, `${path}.`)
      if (typeof value !== 'function' || path === 'outbox') return value
      return (...args: readonly unknown[]) =>
        this.#call(path, args, (given) => Reflect.apply(value, target, given) as Promise<unknown>)
    }
    return new Proxy(target, {
      get(_, name) {
        if (!members.has(name)) members.set(name, member(name))
        return members.get(name)
      },
    })
  }

  #call(
    path: string,
    args: readonly unknown[],
    perform: (args: readonly unknown[]) => Promise<unknown>,
  ): Promise<unknown> {
    // The engine itself says what may not be called inside a transaction.
    if (this.#inWork.getStore()?.open === true || path === 'close') return perform(args)
    const { random } = this.#world
    const process = this.#process
    const begun = process.clock.monotonic()
    return new Promise((resolve, reject) => {
      const answer = (settle: () => void) => {
        this.#world.after(this.#latency(), () => process.deliver(settle))
      }
      const arrive = async () => {
        const refusal = this.#refusal(path)
        if (refusal !== undefined) return answer(() => reject(refusal))
        try {
          const value = await this.#perform(path, args, perform)
          answer(() => {
            if (path === 'presence.beat' || path === 'presence.join') process.lastBeat = begun
            resolve(value)
          })
        } catch (error) {
          this.#world.say(process.name, `${path} refused: ${String(error)}`)
          answer(() => reject(error))
        }
      }
      if (process.state === 'crashed') return
      if (path === 'presence.join') process.instances.push(String((args[0] as { id: string }).id))
      const wait = random.chance(0.4) ? 0 : this.#latency()
      if (wait === 0) void arrive()
      // What was sent before a crash may arrive, or not.
      else
        this.#world.after(wait, () => (process.state === 'crashed' && random.chance(0.5) ? undefined : void arrive()))
    })
  }

  #perform(
    path: string,
    args: readonly unknown[],
    perform: (args: readonly unknown[]) => Promise<unknown>,
  ): Promise<unknown> {
    if (!WRITES.has(path)) return perform(args)
    return this.#referee.write(this.#process, path, args, () => perform(this.#slowed(path, args)))
  }

  /** A transaction stays open for a while around the user's work, and is rolled back when its process does not go on. */
  #slowed(path: string, args: readonly unknown[]): readonly unknown[] {
    const slow = (work: Work): Work => {
      return async (tx) => {
        await this.#open()
        const inside = { open: true }
        try {
          return await Promise.race([this.#inWork.run(inside, () => work(tx)), this.#process.gone])
        } finally {
          inside.open = false
          await this.#open()
        }
      }
    }
    if (path === 'transaction') return [slow(args[0] as Work)]
    const [change, effects] = args as [Progress, Effects | undefined]
    if (path !== 'progress' || effects?.work === undefined) return args
    return [change, { ...effects, work: slow(effects.work) }]
  }

  async #open(): Promise<void> {
    if (this.#world.random.chance(0.5)) await this.#world.sleep(this.#latency())
    if (this.#process.state === 'running') return
    throw new HodisaError('store-unavailable', 'the transaction was idle for too long and is rolled back')
  }

  #refusal(path: string): HodisaError | undefined {
    const { errors, outage } = this.#weather
    const down = outage || this.#process.cutOff
    if (!down && !this.#world.random.chance(errors)) return undefined
    const code = down || this.#world.random.chance(0.5) ? 'store-unavailable' : 'store-busy'
    this.#world.say(this.#process.name, `${path} fails: ${code}`)
    return new HodisaError(code, `simulated: ${path} does not get through`)
  }

  #latency(): number {
    const { random } = this.#world
    const drawn = random.next()
    if (drawn < 0.5) return 0
    if (drawn < 0.9) return random.between(1, 5)
    return drawn < 0.99 ? random.between(5, 60) : random.below(this.#weather.slowest + 1)
  }

  #watch(listener: (hint: Hint) => void): () => void {
    let listening = true
    const stop = this.#base.watch((hint) => {
      if (this.#world.random.chance(this.#weather.lostHints)) return
      this.#world.after(this.#latency(), () => {
        this.#process.deliver(() => {
          if (listening) listener(hint)
        })
      })
    })
    return () => {
      listening = false
      stop()
    }
  }
}

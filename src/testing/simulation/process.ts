import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock, Logger } from '../../store/port.ts'
import type { World } from './world.ts'

const EPOCH = Date.UTC(2024, 0, 1)

/**
 * One process on the virtual machine. Everything that happens to it goes through `deliver`: while it is frozen that waits, and
 * once it has crashed nothing happens to it ever again.
 */
export class SimulatedProcess {
  readonly name: string
  readonly clock: Clock
  readonly logger: Logger
  /** Rejects when the process is gone. */
  readonly gone: Promise<never>
  /** Ids under which it is or was known to the store. */
  readonly instances: string[] = []
  /** Begin of the last heartbeat that the process knows to have arrived. */
  lastBeat = Number.NEGATIVE_INFINITY
  /** It was asked to stop. */
  stopping = false
  /** It cannot reach the store. */
  cutOff = false
  readonly #world: World
  #state: 'running' | 'frozen' | 'crashed' = 'running'
  #held: (() => void)[] = []
  #offset: number
  #timers = 0
  #end: (reason: Error) => void = () => undefined

  constructor(world: World, name: string) {
    this.#world = world
    this.name = name
    this.#offset = EPOCH + world.random.between(-2_000, 2_000)
    const start = world.time - world.random.below(100_000)
    this.clock = {
      now: () => world.time + this.#offset,
      monotonic: () => world.time - start,
      after: (ms, callback) => this.#after(ms, callback),
    }
    this.logger = logger((level, message) => world.say(name, `${level}: ${message}`))
    this.gone = new Promise<never>((_, reject) => {
      this.#end = reject
    })
    this.gone.catch(() => undefined)
  }

  get state() {
    return this.#state
  }

  /** Timers that are still to come. */
  get timers(): number {
    return this.#timers
  }

  /** Lets something happen to the process, now or when it is thawed. */
  deliver(happening: () => void): void {
    if (this.#state === 'running') happening()
    else if (this.#state === 'frozen') this.#held.push(happening)
  }

  crash(): void {
    if (this.#state === 'crashed') return
    this.#world.say(this.name, 'crashes')
    this.#state = 'crashed'
    this.#held = []
    this.#end(new Error(`process ${this.name} crashed`))
  }

  freeze(ms: number): void {
    if (this.#state !== 'running') return
    this.#world.say(this.name, `freezes for ${ms} ms`)
    this.#state = 'frozen'
    this.#world.after(ms, () => this.thaw())
  }

  thaw(): void {
    if (this.#state !== 'frozen') return
    this.#world.say(this.name, 'goes on')
    this.#state = 'running'
    for (const happening of this.#held.splice(0)) this.#world.after(0, () => this.deliver(happening))
  }

  /** The wall clock jumps. */
  step(ms: number): void {
    this.#world.say(this.name, `clock steps by ${ms} ms`)
    this.#offset += ms
  }

  #after(ms: number, callback: () => void): () => void {
    let waiting = true
    const over = () => {
      if (!waiting) return false
      waiting = false
      this.#timers--
      return true
    }
    this.#timers++
    const called = AsyncLocalStorage.bind(callback) // as with the timers of the machine
    const cancel = this.#world.after(ms, () => {
      this.deliver(() => {
        if (over()) called()
      })
    })
    return () => {
      cancel()
      over()
    }
  }
}

function logger(write: (level: string, message: string) => void): Logger {
  return {
    debug: (message) => write('debug', message),
    info: (message) => write('info', message),
    warn: (message) => write('warn', message),
    error: (message) => write('error', message),
  }
}

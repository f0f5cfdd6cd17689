import { type ChildProcess, fork } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { ServiceName } from './services.ts'

/** Where what a process writes, and what becomes of it, is told. */
export type Notify = (line: string) => void

export interface InstanceSetup {
  readonly service: ServiceName
  readonly number: number
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly notify: Notify
  /** Its work is done: it will not be started again. */
  readonly onFinished: () => void
  /** Starting it again is of no use. */
  readonly onHopeless: (reason: string) => void
}

const LONGEST_DELAY = 5_000
/** A process that lived so long is not failing at the start. */
const LONG_LIFE = 5_000
const MOST_FAILED_STARTS = 5
/** By which a process says that starting it again would not help. */
const HOPELESS = 2

/** One process of a service, started again whenever it dies. */
export class Instance {
  readonly service: ServiceName
  readonly #setup: InstanceSetup
  #child: ChildProcess | undefined
  #gone = Promise.resolve()
  #restart: NodeJS.Timeout | undefined
  #ready = false
  #readyOnce = false
  #finished = false
  #stopping = false
  #shortLives = 0
  #starts = 0

  constructor(setup: InstanceSetup) {
    this.service = setup.service
    this.#setup = setup
  }

  /** Up, and taking part in the work. */
  get running(): boolean {
    return this.#ready && !this.#stopping
  }

  get finished(): boolean {
    return this.#finished
  }

  get restarts(): number {
    return Math.max(0, this.#starts - 1)
  }

  start(): void {
    const { service, args, env, notify } = this.#setup
    const startedAt = Date.now()
    const script = fileURLToPath(new URL(`../services/${service}.ts`, import.meta.url))
    const child = fork(script, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true, // so that Ctrl-C in the terminal reaches the supervisor only
      windowsHide: true,
    })
    this.#child = child
    this.#starts++
    for (const output of [child.stdout, child.stderr]) {
      if (output !== null) createInterface({ input: output }).on('line', notify)
    }
    child.on('message', (message) => this.#hear(message))
    const gone = Promise.withResolvers<void>()
    this.#gone = gone.promise
    child.once('error', (error) => notify(`${this.#name}: ${error.message}`))
    child.once('exit', (code, signal) => {
      this.#ready = false
      this.#child = undefined
      this.#died(code, signal, Date.now() - startedAt)
      gone.resolve()
    })
  }

  /** As the machine might: no goodbye. False where nothing runs. */
  kill(): boolean {
    this.#ready = false
    return this.#child?.kill('SIGKILL') ?? false
  }

  /** Asks it to finish what it is at; makes it end after `patience` ms. Resolves when it is gone. */
  async stop(patience: number): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#restart)
    this.#child?.kill('SIGTERM')
    const last = setTimeout(() => this.kill(), patience)
    await this.#gone
    clearTimeout(last)
  }

  get #name(): string {
    return `${this.service}-${this.#setup.number}`
  }

  #hear(message: unknown): void {
    if (message === 'ready') {
      this.#ready = true
      this.#readyOnce = true
    } else if (message === 'finished' && !this.#finished) {
      this.#finished = true
      this.#setup.onFinished()
    }
  }

  #died(code: number | null, signal: NodeJS.Signals | null, life: number): void {
    if (this.#stopping || this.#finished) return
    const { notify, onHopeless } = this.#setup
    this.#shortLives = life < LONG_LIFE ? this.#shortLives + 1 : 0
    const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`
    if (code === HOPELESS || (!this.#readyOnce && this.#shortLives >= MOST_FAILED_STARTS)) {
      onHopeless(`${this.#name} ${how}, and starting it again would not help`)
      return
    }
    const delay = Math.min(LONGEST_DELAY, 100 * 2 ** Math.max(0, this.#shortLives - 1))
    notify(`${this.#name} ${how}; it starts again`)
    this.#restart = setTimeout(() => this.start(), delay)
  }
}

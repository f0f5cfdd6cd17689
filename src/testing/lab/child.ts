import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, machineTime } from './faults.ts'
import type { WorkerSetup } from './worker.ts'

const WORKER = fileURLToPath(new URL(`./worker${extname(import.meta.url)}`, import.meta.url))
/** The code by which a process says that it could not reach its store when it started or stopped. */
const WITHOUT_STORE = 3
/** Longer than an app gives its running handlers. */
const STOP_PATIENCE = 20_000

/** One life of a process. */
export class Child {
  readonly name: string
  readonly ready: Promise<boolean>
  readonly gone: Promise<void>
  /** When it ended. */
  died: number | undefined
  /** What it ended with, unless it was killed or ended as it should. */
  failed: string | undefined
  /** Its files may not grow. */
  readonly limited: boolean
  isReady = false
  stopping = false
  readonly #process: ChildProcess
  #errors = ''

  /** @param blocks how large a file it may make, in blocks of 1 KiB */
  constructor(setup: WorkerSetup, variables: Readonly<Record<string, string>> = {}, blocks?: number) {
    this.name = setup.name
    this.limited = blocks !== undefined
    const args = [WORKER, JSON.stringify(setup)]
    const env = { ...process.env, ...variables }
    const stdio: ('ignore' | 'pipe' | 'ipc')[] = ['ignore', 'ignore', 'pipe', 'ipc']
    this.#process =
      blocks === undefined
        ? spawn(process.execPath, args, { stdio, env })
        : spawn('sh', ['-c', `ulimit -f ${blocks * 2} && exec "$0" "$@"`, process.execPath, ...args], { stdio, env })
    this.#process.stderr?.on('data', (data) => {
      this.#errors = `${this.#errors}${data}`.slice(-4_000)
    })
    const ready = Promise.withResolvers<boolean>()
    this.ready = ready.promise
    this.#process.on('message', () => {
      this.isReady = true
      ready.resolve(true)
    })
    this.gone = once(this.#process, 'exit').then(([code, signal]) => {
      this.died = machineTime()
      this.isReady = false
      if (signal !== 'SIGKILL' && code !== 0 && code !== WITHOUT_STORE)
        this.failed = `${this.name} ended with ${signal ?? code}: ${this.#errors}`
      ready.resolve(false)
    })
    this.#process.on('error', () => undefined) // a message to a process that has just died
  }

  tell(command: Command): void {
    if (this.#process.connected) this.#process.send(command, () => undefined)
  }

  signal(signal: NodeJS.Signals): void {
    if (this.died === undefined) this.#process.kill(signal)
  }

  /** Freezes it. Somebody who outlives the laboratory sees to it that it goes on, and can notice that its parent is gone. */
  freeze(ms: number): () => void {
    const seconds = String(Math.ceil(ms / 1_000) + 1)
    const args = ['-c', 'sleep "$1"; kill -CONT "$2"', 'sh', seconds, String(this.#process.pid)]
    const thawing = spawn('sh', args, { stdio: 'ignore', detached: true })
    this.signal('SIGSTOP')
    return () => {
      this.signal('SIGCONT')
      if (thawing.pid !== undefined && thawing.exitCode === null) process.kill(-thawing.pid)
    }
  }

  /** Asks it to end; false when it had to be made to. */
  async stop(): Promise<boolean> {
    this.stopping = true
    this.tell({ do: 'stop' })
    let patient = true
    const timer = setTimeout(() => {
      patient = false
      this.signal('SIGKILL')
    }, STOP_PATIENCE)
    await this.gone
    clearTimeout(timer)
    return patient
  }
}

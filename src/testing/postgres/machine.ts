import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { HodisaError } from '../../errors.ts'
import type { Guardian } from './guardian.ts'
import { give, type User } from './user.ts'

/** `fast` ends transactions and closes well; `immediate` is a crash: the next start recovers from the log. */
export type StopMode = 'fast' | 'immediate'

/** Of the server's only user, who may do everything. */
export const USER = 'hodisa'

const SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const
const PATIENCE = 60_000 // ms

/** A key and its certificate, as PEM. */
export interface Tls {
  readonly key: string
  readonly cert: string
}

export interface Parts {
  readonly programs: string
  readonly folder: string
  readonly user: User
  readonly guardian: Guardian
  readonly settings: Readonly<Record<string, string | number | boolean>>
}

/** The processes beneath a server. */
export class Machine {
  readonly folder: string
  readonly guardian: Guardian
  port = 0
  readonly #parts: Parts
  #process: ChildProcess | undefined

  constructor(parts: Parts) {
    this.folder = parts.folder
    this.guardian = parts.guardian
    this.#parts = parts
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  log(): string {
    return readFileSync(join(this.folder, 'log'), 'utf8')
  }

  async prepare(password: string | undefined, tls: Tls | undefined): Promise<void> {
    const args = ['-D', this.#data, '-U', USER, '--encoding=UTF8', '--locale=C', '--no-sync']
    if (password === undefined) args.push('--auth=trust')
    else args.push('--auth=scram-sha-256', `--pwfile=${this.#write('password', password)}`)
    const making = this.#spawn('initdb', args)
    making.ref()
    const [code] = await once(making, 'exit')
    this.guardian.watch(undefined)
    if (code !== 0) throw this.#failed('initdb', code)
    if (tls === undefined) return
    this.#write('data/server.key', tls.key)
    this.#write('data/server.crt', tls.cert)
  }

  async start(): Promise<void> {
    if (this.#process !== undefined) return
    for (let attempt = 1; ; attempt++) {
      // Between our look and its start somebody else may take the port.
      const moving = this.port === 0
      const port = moving ? await freePort() : this.port
      try {
        await this.#startAt(port)
        this.port = port
        return
      } catch (error) {
        if (!moving || attempt === 5 || !/could not bind/.test(this.log())) throw error
      }
    }
  }

  async end(mode: StopMode): Promise<void> {
    const running = this.#process
    if (running === undefined) return
    const exited = once(running, 'exit')
    running.ref()
    running.kill(SIGNALS[mode])
    await exited
  }

  async #startAt(port: number): Promise<void> {
    const settings = { ...this.#parts.settings, port }
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${setting(value)}`])
    const started = this.#spawn('postgres', ['-D', this.#data, ...args])
    this.#process = started
    started.once('exit', () => {
      this.#process = undefined
      this.guardian.watch(undefined)
    })
    const deadline = performance.now() + PATIENCE
    while (!this.#isReady(started)) {
      if (this.#process === undefined) throw this.#failed('postgres', started.exitCode ?? started.signalCode)
      if (performance.now() > deadline) {
        await this.end('immediate')
        throw this.#failed('postgres', `silence after ${PATIENCE} ms`)
      }
      await delay(5)
    }
  }

  /** As its own file says; one of an earlier life may still be there. */
  #isReady({ pid }: ChildProcess): boolean {
    try {
      const lines = readFileSync(join(this.#data, 'postmaster.pid'), 'utf8').split('\n')
      return Number(lines[0]) === pid && lines[7]?.trim() === 'ready'
    } catch {
      return false
    }
  }

  #spawn(program: string, args: readonly string[]): ChildProcess {
    const { programs, folder, user } = this.#parts
    const log = openSync(join(folder, 'log'), 'a')
    try {
      const child = spawn(join(programs, program), args, {
        ...user,
        cwd: folder,
        detached: true,
        env: { PATH: process.env.PATH, TZ: process.env.TZ, LC_ALL: 'C' },
        stdio: ['ignore', log, log],
      })
      child.on('error', () => child.emit('exit', 'could not be run', null))
      this.guardian.watch(child.pid)
      child.unref()
      return child
    } finally {
      closeSync(log)
    }
  }

  get #data(): string {
    return join(this.folder, 'data')
  }

  #write(name: string, text: string): string {
    const path = join(this.folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    give(path, this.#parts.user)
    return path
  }

  #failed(program: string, how: unknown): HodisaError {
    const log = this.log().trim().split('\n').slice(-5).join('\n')
    return new HodisaError('store-unavailable', `${program} ended with ${how}: ${log}`)
  }
}

function setting(value: string | number | boolean): string {
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value)
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

import { setTimeout as delay } from 'node:timers/promises'
import { Child } from './child.ts'
import { linesFile, linesOf } from './lines.ts'
import type { Plan } from './plan.ts'
import type { WorkerSetup } from './worker.ts'

const RESTART_AFTER = 150

/** All processes of a run: those in slots, which run the services, and the publishers. Whoever dies is started again. */
export class Fleet {
  /** Every life there was. */
  readonly lives: Child[] = []
  /** What went wrong with processes themselves. */
  readonly failures: string[] = []
  readonly #setup: Omit<WorkerSetup, 'name'>
  readonly #plan: Plan
  readonly #env: Readonly<Record<string, string>>
  readonly #current = new Map<string, Child>()
  readonly #wanted = new Set<string>()
  readonly #kept = new Set<string>()
  readonly #blocks = new Map<string, number>()
  readonly #generations = new Map<string, number>()

  constructor(setup: Omit<WorkerSetup, 'name'>, plan: Plan, env: Readonly<Record<string, string>>) {
    this.#env = env
    this.#setup = setup
    this.#plan = plan
  }

  slot(slot: number): Child | undefined {
    return this.#current.get(`s${slot}`)
  }

  publisher(publisher: number): Child | undefined {
    return this.#current.get(`p${publisher}`)
  }

  /** Starts what is missing and stops what is too much, gracefully. */
  scale(to: number): void {
    for (let slot = 0; slot < to; slot++) this.#want(`s${slot}`)
    for (const place of [...this.#wanted]) {
      if (place.startsWith('s') && Number(place.slice(1)) >= to) void this.#stop(place)
    }
  }

  publish(): void {
    for (let publisher = 0; publisher < this.#plan.publishers; publisher++) this.#want(`p${publisher}`)
  }

  /** They begin no publication for so many ms. */
  restPublishers(ms: number): void {
    for (let publisher = 0; publisher < this.#plan.publishers; publisher++)
      this.publisher(publisher)?.tell({ do: 'rest', for: ms })
  }

  /** From its next start on, until it is lifted with undefined. */
  limitFiles(slot: number, blocks: number | undefined): void {
    if (blocks === undefined) this.#blocks.delete(`s${slot}`)
    else this.#blocks.set(`s${slot}`, blocks)
  }

  /** Runs one process that is to die by itself; tells whether it did. */
  async sacrifice(die: NonNullable<WorkerSetup['die']>): Promise<boolean> {
    const child = this.#spawn(`m-${die}`, { die })
    const died = !(await child.ready)
    child.signal('SIGKILL')
    await child.gone
    return died && child.failed === undefined
  }

  async stopPublishers(): Promise<void> {
    await Promise.all([...this.#wanted].filter((place) => place.startsWith('p')).map((place) => this.#stop(place)))
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#wanted].map((place) => this.#stop(place)))
    await Promise.all(this.lives.map((child) => child.gone))
  }

  killAll(): void {
    this.#wanted.clear()
    for (const child of this.lives) child.signal('SIGKILL')
  }

  #want(place: string): void {
    this.#wanted.add(place)
    if (this.#kept.has(place)) return // whoever keeps it up sees that it is wanted again
    this.#kept.add(place)
    void this.#keepUp(place)
  }

  async #keepUp(place: string): Promise<void> {
    while (this.#wanted.has(place)) {
      const child = this.#spawn(place, place.startsWith('p') ? this.#publishing(place) : {})
      this.#current.set(place, child)
      await child.gone
      if (child.failed !== undefined && !child.limited) this.failures.push(child.failed)
      await delay(RESTART_AFTER)
    }
    this.#kept.delete(place)
  }

  async #stop(place: string): Promise<void> {
    this.#wanted.delete(place)
    const child = this.#current.get(place)
    if (child === undefined || child.died !== undefined) return
    child.signal('SIGCONT')
    await child.ready // what is told before would not be heard
    if (!(await child.stop())) this.failures.push(`${child.name} did not stop within its time`)
  }

  #spawn(place: string, more: Partial<WorkerSetup>): Child {
    const generation = (this.#generations.get(place) ?? 0) + 1
    this.#generations.set(place, generation)
    const child = new Child(
      { ...this.#setup, ...more, name: `${place}.${generation}` },
      this.#env,
      this.#blocks.get(place),
    )
    this.lives.push(child)
    return child
  }

  /** Where the last life of a publisher left off: with a few numbers again, acknowledged or not. */
  #publishing(place: string): Pick<WorkerSetup, 'publish'> {
    const publisher = Number(place.slice(1))
    const { publishers: step, perSecond, most } = this.#plan
    let last = publisher - step
    for (let generation = this.#generations.get(place) ?? 0; generation > 0; generation--) {
      const told = linesOf(linesFile(this.#setup.folder, `${place}.${generation}`))
      const numbers = told.map(([what, number]) => (what === 'a' ? Number(number) : -1))
      last = Math.max(last, ...numbers.filter((number) => number >= 0 && number % step === publisher))
    }
    return { publish: { from: Math.max(publisher, last - 10 * step), step, perSecond, most } }
  }
}

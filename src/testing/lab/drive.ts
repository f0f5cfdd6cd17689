import { setTimeout as delay } from 'node:timers/promises'
import type { Child } from './child.ts'
import { machineTime } from './faults.ts'
import type { Fleet } from './fleet.ts'
import type { Observer } from './observer.ts'
import type { Plan, Step } from './plan.ts'
import type { LatePublisher } from './publisher.ts'
import type { LabPlace } from './stores.ts'

/** What was done, beside the plan: not every fault finds its victim at work. */
export interface Tally {
  kills: number
  /** SIGSTOP for longer than the lease. */
  stalls: number
  blocks: number
  clockSteps: number
  outages: number
  holds: number
  fullDisks: number
  restarts: number
  terminated: number
  /** Events whose transaction stayed open for long. */
  late: number
}

export interface DriverParts {
  readonly fleet: Fleet
  readonly observer: Observer
  readonly place: LabPlace
  readonly signal: AbortSignal
  readonly late: LatePublisher
}

/** How long a process has to come to the point where it is to die, before it is killed wherever it is. Ms. */
const PATIENCE = 2_000
const READY_PATIENCE = 20_000

/** Carries out a plan. Each fault runs beside the next; all of them are over when it resolves. */
export class Driver {
  readonly tally: Tally = {
    ...{ kills: 0, stalls: 0, blocks: 0, clockSteps: 0, outages: 0, holds: 0, fullDisks: 0 },
    ...{ restarts: 0, terminated: 0, late: 0 },
  }
  readonly #fleet: Fleet
  readonly #observer: Observer
  readonly #place: LabPlace
  readonly #late: LatePublisher
  readonly #signal: AbortSignal

  constructor({ fleet, observer, place, signal, late }: DriverParts) {
    this.#late = late
    this.#fleet = fleet
    this.#observer = observer
    this.#place = place
    this.#signal = signal
  }

  async run({ steps, duration }: Plan): Promise<void> {
    const start = machineTime()
    const until = async (at: number) => {
      const wait = start + at - machineTime()
      if (wait > 0) await delay(wait, undefined, { signal: this.#signal })
    }
    const going: Promise<void>[] = []
    try {
      for (const step of steps) {
        await until(step.at)
        const taken = this.#take(step)
        taken.catch(() => undefined) // told below
        going.push(taken)
      }
      await Promise.all(going)
      await until(duration)
    } finally {
      // Also of a run that is ended early: the store is closed after this.
      await Promise.allSettled(going)
    }
  }

  async #take(step: Step): Promise<void> {
    switch (step.do) {
      case 'scale':
        return this.#fleet.scale(step.to)
      case 'kill':
        return this.#kill(await this.#ready(step.slot), step.point, step.call)
      case 'kill-publisher':
        return this.#kill(this.#fleet.publisher(step.publisher), step.point, step.call)
      case 'stop':
        await Promise.all(step.slots.map((slot) => this.#stop(slot, step.for)))
        return
      case 'block':
        return this.#block(await this.#ready(step.slot), step.for)
      case 'clock':
        this.tally.clockSteps++
        this.#fleet.slot(step.slot)?.tell({ do: 'clock', by: step.by })
        return
      case 'outage':
        this.tally.outages++
        for (const slot of step.slots) this.#fleet.slot(slot)?.tell({ do: 'outage', code: step.code, for: step.for })
        return this.#wait(step.for)
      case 'hold':
        return this.#hold(step.for)
      case 'full-disk':
        return this.#fullDisk(step.slot, step.for)
      case 'restart':
        return this.#restart(step.how)
      case 'terminate':
        return this.#terminate(step.count)
      case 'late':
        return this.#publishLate(step.for)
    }
  }

  async #kill(child: Child | undefined, point: Step extends infer One ? PointOf<One> : never, call: number) {
    if (child === undefined || child.died !== undefined || child.stopping) return
    if (point !== 'anywhere') {
      child.tell({ do: 'die', point, call })
      await Promise.race([child.gone, this.#wait(PATIENCE)])
      if (child.stopping && child.died === undefined) return
    }
    child.signal('SIGKILL')
    await child.gone
    this.tally.kills++
    if (child.name.startsWith('s')) await this.#observer.victim(child.name, 'kill', child.died)
  }

  async #stop(slot: number, ms: number): Promise<void> {
    const child = await this.#ready(slot)
    if (child === undefined) return
    const thaw = child.freeze(ms)
    await this.#observer.victim(child.name, 'stop')
    await this.#wait(ms)
    this.#observer.resumed(child.name)
    thaw()
    this.tally.stalls++
  }

  async #block(child: Child | undefined, ms: number): Promise<void> {
    if (child === undefined) return
    child.tell({ do: 'block', for: ms })
    this.tally.blocks++
    await this.#observer.victim(child.name, 'block')
    await this.#wait(ms - 100) // it may have heard of it a moment later; it must not be thought frozen after it went on
    this.#observer.resumed(child.name)
  }

  async #hold(ms: number): Promise<void> {
    await this.#place.hold(ms).then(
      () => this.tally.holds++,
      () => undefined, // the store was too busy to be held
    )
  }

  /** Its next life can write only as far as the files are long by now, and half of the log before the main file. */
  async #fullDisk(slot: number, ms: number): Promise<void> {
    const size = this.#place.fileSize?.()
    const child = await this.#ready(slot)
    if (child === undefined || size === undefined) return
    this.#fleet.limitFiles(slot, Math.ceil(size / 2 / 1_024) + 512)
    await this.#kill(child, 'anywhere', 1)
    this.tally.fullDisks++
    await this.#wait(ms)
    this.#fleet.limitFiles(slot, undefined)
    await this.#kill(this.#fleet.slot(slot), 'anywhere', 1)
  }

  async #restart(how: 'fast' | 'immediate'): Promise<void> {
    if (this.#place.restartServer === undefined) return
    await this.#place.restartServer(how)
    this.tally.restarts++
  }

  async #terminate(count: number): Promise<void> {
    // The server may be on its way down or up.
    this.tally.terminated += (await this.#place.terminateBackends?.(count).catch(() => 0)) ?? 0
  }

  /** A restart of the server ends the transaction: then it was never acknowledged. */
  async #publishLate(ms: number): Promise<void> {
    if (await this.#late(this.#place, ms).catch(() => false)) this.tally.late++
  }

  /** The process in a slot once it is at work; undefined where it does not come up in time or is on its way out. */
  async #ready(slot: number): Promise<Child | undefined> {
    for (const deadline = machineTime() + READY_PATIENCE; machineTime() < deadline; await this.#wait(50)) {
      const child = this.#fleet.slot(slot)
      if (child?.isReady === true && !child.stopping) return child
    }
    return undefined
  }

  async #wait(ms: number): Promise<void> {
    await delay(Math.max(0, ms), undefined, { signal: this.#signal }).catch(() => undefined)
  }
}

type PointOf<One> = One extends { readonly do: 'kill'; readonly point: infer Point } ? Point : never

import { setTimeout } from 'node:timers/promises'
import { pick, shuffled } from '../random.ts'
import { SERVICES, type ServiceName } from './services.ts'

/** What chaos needs to know of a process. */
export interface Victim {
  readonly service: ServiceName
  readonly running: boolean
  readonly finished: boolean
  kill(): boolean
}

export interface ChaosSetup {
  readonly random: () => number
  readonly victims: () => readonly Victim[]
  readonly onKill: (victim: Victim) => void
  readonly signal: AbortSignal
}

export const KILLS = 12
/** How long a run under chaos is made to take, in seconds, so that all kills fall into it. */
export const CHAOS_SECONDS = 15

/**
 * Kills processes, spread over the progress of the run (from 0 to 1): each service at least once, order while it still reads,
 * the rest by chance.
 */
export async function chaos(setup: ChaosSetup, progress: () => number): Promise<void> {
  for (const [index, service] of killPlan(setup.random).entries()) {
    const due = (index + 1) / (KILLS + 1)
    while (progress() < due) await setTimeout(20, undefined, { signal: setup.signal })
    await killOne(setup, service)
    await setTimeout(100, undefined, { signal: setup.signal })
  }
}

/** One kill every few seconds, for as long as the run goes on. */
export async function endlessChaos(setup: ChaosSetup): Promise<never> {
  for (;;) {
    await setTimeout(2_000, undefined, { signal: setup.signal })
    await killOne(setup)
  }
}

/** The service of each kill; undefined is any. Order comes in the first half, while it still has orders to read. */
export function killPlan(random: () => number): readonly (ServiceName | undefined)[] {
  const others: readonly (ServiceName | undefined)[] = SERVICES.map(({ name }) => name).filter(
    (name) => name !== 'order',
  )
  const free = Array<undefined>(KILLS - 1 - others.length).fill(undefined)
  return shuffled(random, [...others, ...free]).toSpliced(Math.floor(random() * (KILLS / 2)), 0, 'order')
}

async function killOne({ random, victims, onKill, signal }: ChaosSetup, service?: ServiceName): Promise<void> {
  for (;;) {
    const victim = choose(random, victims(), service)
    if (victim?.kill()) return onKill(victim)
    await setTimeout(20, undefined, { signal })
  }
}

/** A running process of this service; of any, where it is down or done. Undefined while there is none. */
function choose(random: () => number, victims: readonly Victim[], service?: ServiceName): Victim | undefined {
  const alive = victims.filter(({ finished }) => !finished)
  const wanted = alive.filter((victim) => victim.service === service)
  const running = (wanted.length > 0 ? wanted : alive).filter((victim) => victim.running)
  return running.length > 0 ? pick(random, running) : undefined
}

import type { Random } from '../random.ts'

/** What goes wrong in a run. Each number is the most that is drawn for it. */
export interface Faults {
  /** Processes that end without a word; 2 by default. Others are started in their place. */
  readonly crashes?: number
  /** Processes that stand still for up to 15 s, which is longer than they may; 2 by default. */
  readonly freezes?: number
  /** Processes that are stopped as they should be, and started again; 2 by default. */
  readonly restarts?: number
  /** Times, of up to 8 s each, in which the store answers nobody, or does not answer one process; 1 by default. */
  readonly outages?: number
  /** Share of the calls of the store that fail; 0.05 by default. */
  readonly errors?: number
  /** Share of the news of other processes that never arrives; 0.5 by default. */
  readonly lostHints?: number
  /** Wall clocks that jump by up to an hour; 1 by default. */
  readonly clockSteps?: number
  /** How long the slowest calls of the store take, in ms; 3000 by default. */
  readonly slowest?: number
}

export const NO_FAULTS: Required<Faults> = {
  crashes: 0,
  freezes: 0,
  restarts: 0,
  outages: 0,
  errors: 0,
  lostHints: 0,
  clockSteps: 0,
  slowest: 20,
}

export const DEFAULT_FAULTS: Required<Faults> = {
  crashes: 2,
  freezes: 2,
  restarts: 2,
  outages: 1,
  errors: 0.05,
  lostHints: 0.5,
  clockSteps: 1,
  slowest: 3_000,
}

export type Mishap = 'crashes' | 'freezes' | 'restarts' | 'outages' | 'clockSteps'

/** What goes wrong in one run, and when. */
export interface Plan {
  readonly mishaps: readonly { readonly at: number; readonly mishap: Mishap }[]
  readonly errors: number
  readonly lostHints: number
  readonly slowest: number
}

export function drawn(faults: Required<Faults>, duration: number, random: Random): Plan {
  const mishaps = (['crashes', 'freezes', 'restarts', 'outages', 'clockSteps'] as const).flatMap((mishap) =>
    Array.from({ length: random.between(0, faults[mishap]) }, () => ({ at: random.below(duration), mishap })),
  )
  // Many runs have none of one kind: rare things show best where nothing else is in their way.
  const share = (most: number) => (random.chance(0.5) ? 0 : most * random.next() ** 2)
  return {
    mishaps: mishaps.toSorted((one, other) => one.at - other.at),
    errors: share(faults.errors),
    lostHints: share(faults.lostHints),
    slowest: random.chance(0.5) ? Math.min(20, faults.slowest) : faults.slowest,
  }
}

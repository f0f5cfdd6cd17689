import type { App } from '../app-types.ts'
import { type Duration, milliseconds } from '../event/duration.ts'
import type { Faults } from './simulation/faults.ts'
import { type Simulated, Simulation, type SimulationSetup } from './simulation/simulation.ts'
import type { TraceLine } from './simulation/world.ts'

export interface SimulationOptions {
  /**
   * Opens the app with its services, by `simulated.hodisa` in the place of `hodisa`; called for each process that is started.
   * What a handler waits for must pass by `simulated.sleep`.
   */
  readonly app: (simulated: Simulated) => Promise<App> | App
  /** What happens around the services while things go wrong: publishes, and whatever an operator does. */
  readonly work?: (simulated: Simulated) => Promise<void>
  /** Looks at the outcome, when all services have finished. Meets no faults. */
  readonly check?: (simulated: Simulated & { settled(): Promise<void> }) => Promise<void>
  /** Where chance begins: the same seed repeats the same run. Drawn by chance where it is left out. */
  readonly seed?: number
  /** How many runs, of this seed and those after it; 1 by default. */
  readonly runs?: number
  /** How many processes run the app at a time; 3 by default. */
  readonly instances?: number
  /** What goes wrong at most; `'none'` for a quiet run. */
  readonly faults?: Faults | 'none'
  /** Virtual time in which things go wrong; 30 s by default. */
  readonly duration?: Duration
  /** Virtual time after which everything must be finished; 10 min by default. */
  readonly patience?: Duration
}

export interface SimulationReport {
  readonly seed: number
  readonly runs: number
  /** Virtual ms of all runs. */
  readonly time: number
  /** What happened in the last run. */
  readonly trace: readonly TraceLine[]
}

/** A run that broke a promise. `seed` repeats it; `trace` tells what happened. */
export class SimulationFailed extends Error {
  override readonly name = 'SimulationFailed'
  readonly seed: number
  readonly trace: readonly TraceLine[]

  constructor(seed: number, trace: readonly TraceLine[], cause: unknown) {
    const last = trace.slice(-40).map(([time, process, what]) => `${String(time).padStart(8)} ${process}: ${what}`)
    super(`seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)}\n${last.join('\n')}`, { cause })
    this.seed = seed
    this.trace = trace
  }
}

/**
 * Runs an app in several processes of a virtual machine, on one store in memory, in virtual time, and lets things go wrong:
 * processes crash, freeze, come and go, the store is slow, busy or out of reach. Afterwards everything must be finished.
 *
 * It is checked all the while that no event is passed over, that the handlers of one key begin in order and never overlap, and
 * that what is committed or published with an event is recorded once. Nothing depends on the machine, as long as handlers wait
 * by `simulated.sleep` alone.
 *
 * @throws {SimulationFailed} with the seed that repeats the run
 */
export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  const { seed = Math.floor(Math.random() * 2 ** 31), runs = 1, instances = 3, faults = {} } = options
  const setup: SimulationSetup = {
    ...options,
    instances,
    faults,
    duration: milliseconds(options.duration ?? '30s', 'duration'),
    patience: milliseconds(options.patience ?? '10m', 'patience'),
  }
  let time = 0
  let trace: readonly TraceLine[] = []
  for (let run = 0; run < runs; run++) {
    const simulation = new Simulation(seed + run, setup)
    try {
      await simulation.run()
    } catch (error) {
      throw new SimulationFailed(seed + run, simulation.world.trace, error)
    }
    time += simulation.world.time
    trace = simulation.world.trace
  }
  return { seed, runs, time, trace }
}

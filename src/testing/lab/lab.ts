import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { hodisa } from '../../app.ts'
import type { App } from '../../app-types.ts'
import { systemClock } from '../../clock.ts'
import { HodisaError, isHodisaError } from '../../errors.ts'
import { check } from './check.ts'
import { Driver, type Tally } from './drive.ts'
import { Fleet } from './fleet.ts'
import { gather, killsByPoint } from './gather.ts'
import type { History, Violation } from './history.ts'
import { loadModule } from './module.ts'
import { Observer } from './observer.ts'
import { Pace } from './pace.ts'
import { makePlan, type Plan } from './plan.ts'
import { latePublications } from './publisher.ts'
import { assertStore, labStore, type StoreName } from './stores.ts'

/** Times that work which moves is waited for, each as long as work that stands still is. */
const MOST_PATIENCE = 10

export interface LabOptions {
  /** The module to run, see {@link LabModule}; the laboratory's own by default. */
  readonly worker?: string | URL
  /** Repeats a plan; 1 by default. */
  readonly seed?: number
  /** About how long it takes, in minutes; half a minute by default. The faults take 6 s at least, the rest at the end comes on top. */
  readonly minutes?: number
  /** `'sqlite'` by default; for `'postgres'` it starts a server of its own. */
  readonly store?: StoreName
  /** A plan of your own instead of a seeded one. */
  readonly plan?: Plan
  /** Keeps the folder of a run that failed. */
  readonly keep?: boolean
  /** Ends the run at once. */
  readonly signal?: AbortSignal
  /** How long the work may stand still after the faults before it is at rest, in ms; a minute by default. */
  readonly settleWithin?: number
  /** Further variables of the environment of its processes. */
  readonly env?: Readonly<Record<string, string>>
}

export interface LabResult {
  readonly seed: number
  readonly tally: Tally
  /** How often processes killed themselves at each point. */
  readonly killedAt: ReadonlyMap<string, number>
  readonly history: History
  readonly violations: readonly Violation[]
  /** Of a run that failed, where it was asked for. */
  readonly folder?: string
}

/**
 * Runs publishers and services in processes of their own on one store, under a seeded plan of faults, and tells what promise was
 * broken. Everything it starts has ended when it resolves.
 *
 * @throws {HodisaError} `invalid-option`
 */
export async function lab(options: LabOptions = {}): Promise<LabResult> {
  const { seed = 1, minutes = 0.5, store = 'sqlite', signal = new AbortController().signal } = options
  assertStore(store)
  if (!Number.isSafeInteger(seed)) throw invalid('seed', 'a whole number')
  if (!(minutes > 0 && minutes <= 24 * 60)) throw invalid('minutes', 'a number above 0')
  const worker = options.worker ?? new URL(`./workload${import.meta.url.slice(-3)}`, import.meta.url)
  const module = await loadModule(worker)
  const plan = options.plan ?? makePlan(seed, minutes, store)
  const folder = await mkdtemp(join(tmpdir(), 'hodisa-lab-'))
  const { prepare, factory, durability, effectsTable } = labStore(store)
  const place = await prepare(folder)
  const storeAt = factory(place.at)
  const setup = { folder, place: { store, at: place.at }, worker: String(worker), seed }
  const fleet = new Fleet(setup, plan, options.env ?? {})
  const end = () => fleet.killAll()
  process.once('exit', end)
  let keep = false
  try {
    const deaths = await migrationDeaths(fleet)
    const app = await hodisa({ source: 'lab', store: storeAt, events: module.events, durability, logger: quiet })
    const reader = await storeAt.open({ clock: systemClock, logger: quiet, durability })
    const observer = new Observer(reader)
    const pace = new Pace(reader, fleet)
    try {
      await app.transaction((tx) => effectsTable(tx))
      await module.prepare?.(app)
      fleet.publish()
      observer.start()
      pace.start()
      const late = latePublications(app, module, seed, folder)
      const driver = new Driver({ fleet, observer, place, signal, late })
      await driver.run(plan)
      await fleet.stopPublishers()
      fleet.scale(3)
      pace.stop()
      const unsettled = await rest(app, observer, options.settleWithin ?? 60_000)
      await fleet.stop()
      await observer.stop()
      const sources = { app, store: reader, module, folder, unsettled, lives: fleet.lives }
      const history = await gather({ ...sources, takeovers: observer.takeovers, failures: fleet.failures })
      const violations = check(history)
      keep = options.keep === true && violations.length > 0
      const tally = { ...driver.tally, kills: driver.tally.kills + deaths }
      return { seed, tally, killedAt: killsByPoint(folder), history, violations, ...(keep && { folder }) }
    } finally {
      pace.stop()
      await observer.stop()
      fleet.killAll()
      await Promise.all([app.stop(), reader.close()])
    }
  } finally {
    fleet.killAll()
    await Promise.all(fleet.lives.map(({ gone }) => gone))
    process.off('exit', end)
    await place.close()
    if (!keep) await rm(folder, { recursive: true, force: true })
  }
}

/** Processes that die while they make the schema of the new store; tells how many did. */
async function migrationDeaths(fleet: Fleet): Promise<number> {
  let deaths = 0
  for (const point of ['migration.begun', 'migration.made', 'migration.committed'] as const) {
    if (await fleet.sacrifice(point)) deaths++
  }
  return deaths
}

/** Waits until everything is handled and taken over, for as long as the work moves; tells what is not. */
async function rest(app: App, observer: Observer, patience: number): Promise<string | undefined> {
  let before = await observer.progress()
  for (let rounds = 1; ; rounds++) {
    try {
      await app.settled({ timeout: patience })
      break
    } catch (error) {
      if (!isHodisaError(error, 'timeout')) throw error
      const now = await observer.progress()
      if (now === before || rounds === MOST_PATIENCE) return error.message
      before = now
    }
  }
  for (const deadline = performance.now() + patience; observer.pending > 0 && performance.now() < deadline; )
    await delay(100)
  return undefined
}

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

function invalid(option: string, rule: string): HodisaError {
  return new HodisaError('invalid-option', `lab(): ${option} must be ${rule}`, { option })
}

import { pathToFileURL } from 'node:url'
import type { App } from '../../app-types.ts'
import { HodisaError } from '../../errors.ts'
import type { AnyEventDefinition } from '../../event/definition.ts'
import type { NewEvent } from '../../event/types.ts'
import type { Clock, Store } from '../../store/port.ts'
import type { FollowUp } from './history.ts'

/** What the laboratory runs: a module of yours exports it by these names. It is imported by every process of a run. */
export interface LabModule {
  /** The definitions of everything that is published or handled. */
  readonly events: readonly AnyEventDefinition[]
  /** Defines the services. Every process runs all of them. */
  services(app: App): void
  /**
   * What is published as number `number`, in one append: the same for the same number, because it may be published again. Ids are
   * given by the laboratory. `random` is made from the seed and the number.
   */
  workload(number: number, random: () => number): NewEvent | readonly NewEvent[]
  /** Services all of whose handlers use `ctx.commit`: every event must have its effect. */
  readonly commits?: readonly string[]
  readonly followUps?: readonly FollowUp[]
  /** Runs once on the empty store, for example to make tables. */
  prepare?(app: App): Promise<void>
  /** In front of the store and the clock of every process: faults of your own. */
  readonly wrapStore?: (store: Store) => Store
  readonly wrapClock?: (clock: Clock) => Clock
}

/** @throws {HodisaError} `invalid-option` where it is no module of the laboratory */
export async function loadModule(worker: string | URL): Promise<LabModule> {
  const url = worker instanceof URL || worker.startsWith('file:') ? String(worker) : pathToFileURL(worker).href
  const module = (await import(url)) as Partial<LabModule>
  const missing = [
    ...(Array.isArray(module.events) ? [] : ['events']),
    ...(['services', 'workload'] as const).filter((name) => typeof module[name] !== 'function'),
  ]
  if (missing.length === 0) return module as LabModule
  throw new HodisaError('invalid-option', `worker: ${url} must export ${missing.join(', ')}`, {
    option: 'worker',
    missing,
  })
}

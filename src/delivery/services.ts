import { HodisaError } from '../errors.ts'
import { positionBefore } from '../log/read.ts'
import type { GroupState } from '../store/groups.ts'
import type { Store } from '../store/port.ts'
import * as plan from './group-plan.ts'
import { livingIds, livingInstances } from './living.ts'
import { PROJECTION } from './one-lane.ts'
import { assertFrom, type From } from './options.ts'
import { forgetParts } from './parts.ts'

/** One running instance of a service. */
export interface InstanceStatus {
  readonly id: string
  readonly source: string
  readonly host: string
  readonly pid: number
  /** How many of the 256 buckets it holds. */
  readonly buckets: number
}

/** A service as the store knows it. */
export interface ServiceStatus {
  readonly service: string
  readonly state: 'running' | 'down' | 'paused'
  /** Why it is paused. */
  readonly reason?: string
  readonly instances: readonly InstanceStatus[]
  readonly subscriptions: readonly { readonly pattern: string; readonly since: number }[]
  /** Everything at or below is finished. */
  readonly checkpoint: number
  /** Positions between the checkpoint and the head: an upper bound of the events to come. */
  readonly lag: number
  readonly retrying: number
  readonly parked: number
  readonly waiting: number
}

/** What an operator sees of services, and does to them, from any process. */
export class Services {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** Every service that the store knows, by name. */
  async list(): Promise<readonly ServiceStatus[]> {
    const names = await this.#store.groups.list()
    const [instances, head] = [await livingInstances(this.#store), await this.#store.head()]
    const byId = new Map(instances.map((instance) => [instance.id, instance]))
    return Promise.all(
      names.toSorted().map(async (name): Promise<ServiceStatus> => {
        const [state, progress] = [await this.#store.groups.read(name), await this.#store.groups.progress(name)]
        const living = state.members.flatMap(({ instance }) => byId.get(instance) ?? [])
        const checkpoint = Math.min(...progress.checkpoints)
        return {
          service: name,
          state: state.paused !== null ? 'paused' : living.length > 0 ? 'running' : 'down',
          ...(state.paused !== null && { reason: state.paused }),
          instances: living.map(({ id, source, host, pid }) => ({
            id,
            source,
            host,
            pid,
            buckets: state.leases.filter(({ owner }) => owner === id).length,
          })),
          subscriptions: state.subscriptions,
          checkpoint,
          lag: Math.max(0, head - checkpoint),
          ...progress.cursors,
        }
      }),
    )
  }

  /** Its instances finish what runs and start nothing more until `resume`; those that start later, too. */
  async pause(service: string, reason = 'paused by an operator'): Promise<void> {
    await this.#change(service, () => ({ paused: reason }))
  }

  async resume(service: string): Promise<void> {
    await this.#change(service, () => ({ paused: null }))
  }

  /** Moves it, backwards or forwards: the events from that place on come (again). Not a projection, which would miss or repeat them. */
  async reset(service: string, to: { readonly from: From }): Promise<void> {
    assertFrom(to?.from)
    assertNoProjection(service, 'moved')
    const position = await positionBefore(this.#store, to.from)
    await this.#change(service, (state) => plan.reset(state, position))
    await forgetParts(this.#store, service)
  }

  /**
   * Removes its subscriptions, progress and dead letters.
   *
   * @throws {HodisaError} `service-running` while an instance lives, `service-unknown`
   */
  async forget(service: string): Promise<void> {
    assertNoProjection(service, 'forgotten')
    for (;;) {
      const state = await this.#known(service)
      const living = await livingIds(this.#store)
      const running = state.members.filter(({ instance }) => living.has(instance))
      if (running.length > 0) {
        throw new HodisaError('service-running', `service ${service} has ${running.length} running instances`, {
          service,
          instances: running.map(({ instance }) => instance),
        })
      }
      if (await this.#store.groups.forget(service, state.revision)) return forgetParts(this.#store, service)
    }
  }

  async #change(service: string, decide: (state: GroupState) => plan.Change): Promise<void> {
    for (;;) {
      const state = await this.#known(service)
      const change = decide(state)
      if (change === undefined || (await this.#store.groups.update(service, state.revision, change))) return
    }
  }

  async #known(service: string): Promise<GroupState> {
    const state = await this.#store.groups.read(service)
    if (state.revision > 0) return state
    const names = await this.#store.groups.list()
    throw new HodisaError('service-unknown', `the store knows no service ${JSON.stringify(service)}`, {
      service,
      known: names,
    })
  }
}

/** Its documents belong to the place where it stands. */
function assertNoProjection(service: string, done: string): void {
  if (!String(service).startsWith(PROJECTION)) return
  throw new HodisaError(
    'invalid-option',
    `${service} is a projection, which is not ${done}: build it anew with \`hodisa projections rebuild\`, or drop it`,
    { option: 'service', service },
  )
}

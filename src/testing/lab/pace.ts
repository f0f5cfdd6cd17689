import { setTimeout as delay } from 'node:timers/promises'
import type { Store } from '../../store/port.ts'
import type { Fleet } from './fleet.ts'

const LOOK_EVERY = 500
/** Positions: enough that services have to work through a backlog, and can before the run is over. */
const FAR_BEHIND = 2_000

/** Lets publishers rest while a service is far behind: how much is too much for it is the machine's to say. */
export class Pace {
  readonly #store: Store
  readonly #fleet: Fleet
  readonly #stop = new AbortController()

  constructor(store: Store, fleet: Fleet) {
    this.#store = store
    this.#fleet = fleet
  }

  start(): void {
    void this.#keep()
  }

  stop(): void {
    this.#stop.abort()
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const behind = await this.#farthestBehind().catch(() => 0) // the store is out of reach: so it is for publishers
      if (behind > FAR_BEHIND) this.#fleet.restPublishers(LOOK_EVERY * 2)
      await delay(LOOK_EVERY, undefined, { signal }).catch(() => undefined)
    }
  }

  async #farthestBehind(): Promise<number> {
    const { groups } = this.#store
    let lowest = await this.#store.head()
    const head = lowest
    for (const service of await groups.list()) {
      const { checkpoints } = await groups.progress(service)
      const cursors = (await groups.cursors(service)).filter(({ state }) => state !== 'parked')
      lowest = Math.min(lowest, ...checkpoints, ...cursors.map(({ position }) => position))
    }
    return head - lowest
  }
}

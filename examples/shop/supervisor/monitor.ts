import { type App, isHodisaError } from 'hodisa'
import { type Page, ShopPage } from '../views/queries.ts'
import type { Effects } from './effects.ts'
import type { Fleet } from './fleet.ts'
import { SERVICES } from './services.ts'
import { type Status, statuses } from './statuses.ts'

type Watched = Pick<App, 'tail' | 'services' | 'projections' | 'query'>

/** How the shop stands at one moment. */
export interface Snapshot {
  readonly seconds: number
  /** Invoices to come in all; undefined where they have no end. */
  readonly total: number | undefined
  readonly invoices: number
  /** Recorded events, by type. */
  readonly events: ReadonlyMap<string, number>
  /** Events recorded in the last second, of all types. */
  readonly perSecond: number
  readonly services: readonly ServiceLine[]
  /** What stands in the views; absent while they are being built. */
  readonly page: Page | undefined
}

export interface ServiceLine {
  readonly name: string
  /** Processes that are up, or done with all they had to do. */
  readonly running: number
  readonly wanted: number
  readonly restarts: number
  /** Effects so far; of the order service: invoices recorded, of inventory: orders confirmed, of analytics: orders in its view. */
  readonly handled: number
  readonly perSecond: number
  /** Absent for what handles no events. */
  readonly lag: number | undefined
  readonly retrying: number
  readonly parked: number
  /** From 0 to 1: how much of what there is to do is done. */
  readonly done: number
}

interface Sample {
  readonly at: number
  readonly counts: ReadonlyMap<string, number>
}

const INVOICES = ['order.created', 'order.returned', 'stock.adjusted']
/** Rates are of about the last second, so that they neither flicker nor lag. */
const WINDOW = 1_000

/** Watches the log, the services and their processes. */
export class Monitor {
  readonly #app: Watched
  readonly #fleet: Fleet
  readonly #effects: Effects
  readonly #total: number | undefined
  readonly #events = new Map<string, number>()
  readonly #samples: Sample[] = []

  constructor(app: Watched, fleet: Fleet, effects: Effects, total: number | undefined) {
    this.#app = app
    this.#fleet = fleet
    this.#effects = effects
    this.#total = total
  }

  /** Counts the events of the log, as they come, until the signal aborts. */
  async watch(signal: AbortSignal): Promise<void> {
    for await (const { type } of this.#app.tail({ from: 'start', signal })) {
      this.#events.set(type, (this.#events.get(type) ?? 0) + 1)
    }
  }

  get invoices(): number {
    return INVOICES.reduce((sum, type) => sum + (this.#events.get(type) ?? 0), 0)
  }

  /** From 0 to 1: how much of what is to come is recorded. */
  get progress(): number {
    return this.#total ? this.invoices / this.#total : 1
  }

  /** Since this program started. */
  get seconds(): number {
    return performance.now() / 1000
  }

  /** The lag is an upper bound: services that have `settled` have none, before their checkpoints say so. */
  async snapshot({ settled = false } = {}): Promise<Snapshot> {
    const known = await statuses(this.#app)
    const handled = new Map(await this.#effects.counts())
      .set('order', this.invoices)
      .set('inventory', this.#events.get('order.confirmed') ?? 0)
      .set('analytics', known.get('analytics')?.documents ?? 0)
    const perSecond = this.#rates(new Map([...handled, ...this.#events]))
    const services = SERVICES.map(({ name, instances }) => {
      const processes = this.#fleet.instances.filter(({ service }) => service === name)
      const status = known.get(name)
      return {
        name,
        running: processes.filter(({ running, finished }) => running || finished).length,
        wanted: instances,
        restarts: processes.reduce((sum, { restarts }) => sum + restarts, 0),
        handled: handled.get(name) ?? 0,
        perSecond: perSecond(name),
        lag: settled && status !== undefined ? 0 : status?.lag,
        retrying: status?.retrying ?? 0,
        parked: status?.parked ?? 0,
        done: name === 'order' ? share(this.invoices, this.#total ?? this.invoices) : settled ? 1 : doneOf(status),
      }
    })
    return {
      seconds: this.seconds,
      total: this.#total,
      invoices: this.invoices,
      events: new Map(this.#events),
      perSecond: [...this.#events.keys()].reduce((sum, type) => sum + perSecond(type), 0),
      services,
      page: await this.#page(),
    }
  }

  async #page(): Promise<Page | undefined> {
    try {
      return await this.#app.query(ShopPage)
    } catch (error) {
      if (isHodisaError(error, 'view-building')) return undefined
      throw error
    }
  }

  /** Remembers these counts, and tells how fast each has grown of late. */
  #rates(counts: ReadonlyMap<string, number>): (name: string) => number {
    const now = performance.now()
    this.#samples.push({ at: now, counts })
    while (this.#samples.length > 2 && now - (this.#samples[1]?.at ?? now) >= WINDOW) this.#samples.shift()
    const [oldest] = this.#samples
    const seconds = oldest === undefined ? 0 : (now - oldest.at) / 1000
    return (name) => {
      const grown = (counts.get(name) ?? 0) - (oldest?.counts.get(name) ?? 0)
      return seconds > 0 ? Math.round(grown / seconds) : 0
    }
  }
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}

function doneOf(status: Status | undefined): number {
  return status === undefined ? 0 : share(status.checkpoint, status.checkpoint + status.lag)
}

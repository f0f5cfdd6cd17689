import type { ServiceToRun } from '../delivery/delivery.ts'
import type { ProjectionExplanation } from '../delivery/explain/explanation.ts'
import { HodisaError } from '../errors.ts'
import type { IdMaker } from '../event/id.ts'
import type { Store } from '../store/port.ts'
import { ProjectionAdmin, type ProjectionTools } from './admin.ts'
import { declare } from './declare.ts'
import { type DefinedProjection, definedBy } from './definition.ts'
import { explainProjections } from './explain.ts'
import { type InlineHost, InlineProjections } from './inline.ts'
import { withInline } from './inline-store.ts'
import { type LiveHost, LiveProjection } from './live.ts'
import { isParallel, ViewStates } from './state.ts'
import { ProjectedView, type ViewOptions } from './view.ts'

export interface ProjectionsHost extends InlineHost {
  readonly newId: IdMaker
}

/** The projections of an app, and its views. */
export class Projections {
  readonly #host: ProjectionsHost
  readonly #states: ViewStates
  readonly #inline: InlineProjections
  readonly #byName = new Map<string, DefinedProjection>()
  readonly #positions = new Map<DefinedProjection, number>()

  readonly tools: ProjectionTools
  /** Of the app: what is recorded through it is in the inline projections. */
  readonly store: Store

  constructor(host: ProjectionsHost) {
    this.#host = host
    this.#inline = new InlineProjections(host)
    this.store = withInline(host.store, this.#inline, host.clock)
    this.#states = new ViewStates(host.store)
    this.tools = new ProjectionAdmin({ ...host, states: this.#states, newRun: () => host.newId('run') })
  }

  /** @throws {HodisaError} `projection-conflict`, `invalid-definition`, `capability-missing` */
  add(given: unknown): void {
    const projection = definedBy(given)
    const before = this.#byName.get(projection.name)
    if (before === projection) return
    if (before !== undefined) {
      throw new HodisaError('projection-conflict', `projection ${projection.name} is registered twice in this app`, {
        projection: projection.name,
      })
    }
    const { transactions, sql } = this.#host.store.capabilities
    const lacks = transactions ? (projection.sql && !sql ? 'sql' : undefined) : 'transactions'
    if (lacks !== undefined) {
      throw new HodisaError(
        'capability-missing',
        `projection ${projection.name} needs ${lacks}, which the engine ${this.#host.store.engine} does not have`,
        { capability: lacks, projection: projection.name },
      )
    }
    projection.seal(this.#host.registry)
    this.#byName.set(projection.name, projection)
    if (projection.inline) this.#inline.add(projection)
  }

  /** Makes their places in the store. */
  async declare(): Promise<void> {
    const { store, registry } = this.#host
    for (const projection of this.#byName.values()) {
      if (projection.inline) continue
      const state = await declare(store, this.#states, projection, registry)
      this.#positions.set(projection, isParallel(state) ? (state.base ?? 0) : state.position)
    }
    await this.#inline.ready()
  }

  /** What delivery is to run. */
  services(host: LiveHost): readonly ServiceToRun[] {
    return [...this.#byName.values()]
      .filter(({ inline }) => !inline)
      .map((projection) => {
        const live = new LiveProjection(projection, this.#host.codec, this.#states, host)
        return live.service(this.#positions.get(projection) ?? 0)
      })
  }

  /** What each projection promises as things are wired. */
  async explain(): Promise<readonly ProjectionExplanation[]> {
    return explainProjections([...this.#byName.values()], await this.tools.list())
  }

  view(given: unknown, options?: ViewOptions): ProjectedView {
    const projection = definedBy(given)
    projection.seal(this.#host.registry)
    return new ProjectedView(projection, this.#host.codec, { ...this.#host, states: this.#states }, options)
  }
}

import type { ProjectionTools } from './admin.ts'
import type { Query, QueryArguments } from './query.ts'
import type { Projection } from './types.ts'
import type { View, ViewOptions } from './view.ts'

/** What an app does with projections, views and queries. */
export interface ProjectionMethods {
  /**
   * Registers a projection, before `start`: this program builds its view. An inline one before anything is published.
   *
   * @throws {HodisaError} `projection-conflict`, `app-started`, `capability-missing`
   */
  project<Doc>(projection: Projection<Doc>): void
  /**
   * The view that a projection builds, in this program or another one. With `after` a receipt: reads see what was written with it.
   */
  view<Doc>(projection: Projection<Doc>, options?: ViewOptions): View<Doc>
  /** What an operator sees of projections, and does to them, from any process. */
  readonly projections: ProjectionTools
  /** Asks a query. @throws {HodisaError} `invalid-data`; and whatever its handler throws */
  query<Input, Result>(query: Query<Input, Result>, ...input: QueryArguments<Input>): Promise<Result>
}

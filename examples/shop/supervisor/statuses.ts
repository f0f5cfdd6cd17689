import type { App } from 'hodisa'

/** How far a service is. */
export interface Status {
  readonly checkpoint: number
  readonly lag: number
  readonly retrying: number
  /** Events that need a person, or that nobody here can handle. */
  readonly parked: number
  /** Of what builds views. */
  readonly documents?: number
}

/** Of all services that have begun, by name: analytics is as far as the view that is furthest behind. */
export async function statuses(app: Pick<App, 'services' | 'projections'>): Promise<ReadonlyMap<string, Status>> {
  const services = await app.services.list()
  const found = new Map<string, Status>(
    services.map((status) => [status.service, { ...status, parked: status.parked + status.waiting }]),
  )
  const views = await app.projections.list()
  if (views.length === 0) return found
  return found.set('analytics', {
    checkpoint: Math.min(...views.map(({ position }) => position)),
    lag: Math.max(...views.map(({ lag }) => lag)),
    retrying: views.filter(({ state }) => state === 'retrying').length,
    parked: views.filter(({ state }) => state === 'blocked').length,
    documents: views.find(({ projection }) => projection === 'order-summary')?.documents ?? 0,
  })
}

import type { DefinedProjection, Document } from './definition.ts'
import type { ProjectedEvent, ViewWriter } from './types.ts'

/** Hands events to the handlers of a projection, one after the other. */
export async function applyAll(
  projection: DefinedProjection,
  events: readonly ProjectedEvent[],
  view: ViewWriter<Document>,
): Promise<void> {
  for (const event of events) {
    const pending = projection.find(event.type)?.(view, event)
    if (pending !== undefined) await pending
  }
}

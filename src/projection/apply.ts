import { HodisaError } from '../errors.ts'
import type { DefinedProjection, Document } from './definition.ts'
import type { ProjectedEvent, ViewWriter } from './types.ts'

/** Hands events to the handlers of a projection, one after the other. */
export async function applyAll(
  projection: DefinedProjection,
  events: readonly ProjectedEvent[],
  view: ViewWriter<Document>,
): Promise<void> {
  for (const event of events) {
    const own = projection.partition === undefined ? view : confined(view, projection, projection.partition(event))
    const pending = projection.find(event.type)?.(own, event)
    if (pending !== undefined) await pending
  }
}

/** Only the document that the event is about: others may be changed elsewhere at the same time. */
function confined(view: ViewWriter<Document>, { name }: DefinedProjection, own: string): ViewWriter<Document> {
  const checked = (id: string): string => {
    if (id === own) return id
    throw new HodisaError(
      'invalid-data',
      `projection ${name}: a handler touched document ${id}, and partition gave ${own} for its event`,
      { projection: name, id, partition: own },
    )
  }
  return {
    get: async (id) => view.get(checked(id)),
    set: (id, document) => view.set(checked(id), document),
    update: (id, change) => view.update(checked(id), change),
    upsert: (id, change) => view.upsert(checked(id), change),
    delete: (id) => view.delete(checked(id)),
    sql: view.sql,
  }
}

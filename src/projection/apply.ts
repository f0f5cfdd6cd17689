import { HodisaError } from '../errors.ts'
import type { Registry } from '../event/registry.ts'
import { recordedIdOf } from '../log/decode.ts'
import type { DefinedProjection, Document } from './definition.ts'
import type { ProjectedEvent, ViewWriter } from './types.ts'

/** Hands events to the handlers of a projection, one after the other. */
export async function applyAll(
  projection: DefinedProjection,
  registry: Registry,
  events: readonly ProjectedEvent[],
  view: ViewWriter<Document>,
): Promise<void> {
  const { partition } = projection
  const own = partition === undefined ? () => view : partitioned(projection, partition, view)
  for (const event of events) {
    const pending = projection.find(event.type, registry)?.(own(event), event)
    if (pending !== undefined) await pending
  }
}

/** For each event the document that it is about, which is one for all parts of a recorded event: they have one lane. */
function partitioned(
  projection: DefinedProjection,
  partition: (event: ProjectedEvent) => string,
  view: ViewWriter<Document>,
): (event: ProjectedEvent) => ViewWriter<Document> {
  let [recorded, first] = ['', '']
  return (event) => {
    const key = partition(event)
    const of = recordedIdOf(event.id) ?? event.id
    if (of !== recorded) [recorded, first] = [of, key]
    if (key === first) return confined(view, projection, key)
    throw new HodisaError(
      'invalid-data',
      `projection ${projection.name}: event ${of} was split, and partition gave ${first} and ${key} for its parts: it must be one document, or no partition`,
      { projection: projection.name, event: of, partition: first, other: key },
    )
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

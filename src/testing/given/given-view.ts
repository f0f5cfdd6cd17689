import { AssertionError } from 'node:assert'
import { toJson } from '../../event/json.ts'
import { Registry } from '../../event/registry.ts'
import type { NewEvent } from '../../event/types.ts'
import { validateData } from '../../log/prepare.ts'
import { applyAll } from '../../projection/apply.ts'
import { type DefinedProjection, type Document, definedBy } from '../../projection/definition.ts'
import { Draft } from '../../projection/draft.ts'
import type { ProjectedEvent, Projection } from '../../projection/types.ts'
import { assertEqual } from './expected.ts'

const WHEN = '2024-01-01T00:00:00.000Z'

/** Events that were recorded, whoever recorded them. */
export class GivenHistory {
  readonly #events: readonly NewEvent[]

  constructor(events: readonly NewEvent[]) {
    this.#events = events
  }

  /** What a projection makes of them; what is expected follows: `then`, or `documents`. */
  view<Doc>(projection: Projection<Doc>): GivenView<Doc> {
    return new GivenView(definedBy(projection), this.#events)
  }
}

/** A view of some events, without a store. */
export class GivenView<Doc> {
  readonly #projection: DefinedProjection
  readonly #events: readonly NewEvent[]

  constructor(projection: DefinedProjection, events: readonly NewEvent[]) {
    this.#projection = projection
    this.#events = events
  }

  /** Exactly these documents, by id. To be awaited. @throws {AssertionError} with a diff */
  // biome-ignore lint/suspicious/noThenProperty: given, view, then; who awaits it without an expectation is told so
  async then(expected: Readonly<Record<string, Doc>>): Promise<void> {
    if (typeof expected === 'function') {
      const message = `view ${this.#projection.name} was awaited without an expectation: add .then({ … }) or .documents()`
      throw new AssertionError({ message })
    }
    assertEqual(await this.documents(), expected, `view ${this.#projection.name}`)
  }

  /** All documents, by id. */
  async documents(): Promise<Readonly<Record<string, Doc>>> {
    const registry = new Registry()
    this.#projection.seal(registry)
    const documents = new Map<string, Document>()
    for (const [index, event] of this.#events.entries()) {
      const draft = new Draft(async () => documents)
      await applyAll(this.#projection, registry, [await recorded(registry, event, index + 1)], draft)
      for (const [id, document] of await draft.finish()) {
        if (document === undefined) documents.delete(id)
        else documents.set(id, JSON.parse(toJson(document, id)))
      }
    }
    return Object.fromEntries(documents) as Readonly<Record<string, Doc>>
  }
}

/** As it would be recorded. */
async function recorded(registry: Registry, { type, data, extras }: NewEvent, number: number): Promise<ProjectedEvent> {
  const definition = registry.get(type)
  const valid = definition === undefined ? data : await validateData(definition, data)
  const id = extras?.id ?? `evt_${number}`
  const { correlationId = id, causationId, metadata } = extras ?? {}
  return {
    ...{ id, type, timestamp: WHEN, version: definition?.version ?? 1, data: JSON.parse(toJson(valid)) },
    metadata: { correlationId, ...(causationId !== undefined && { causationId }), source: 'test', ...metadata },
  }
}

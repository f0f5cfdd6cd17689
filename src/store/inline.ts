import { HodisaError } from '../errors.ts'
import { anyOf, parsePattern } from '../event/pattern.ts'
import type { AppendRequest, InlineProjection, PlannedEvent } from './events.ts'

/** A registered inline projection, ready to be asked. */
export interface InlineCover {
  readonly name: string
  covers(type: string): boolean
}

/** @throws {HodisaError} `invalid-name` for what is no pattern of types. */
export function coverOf({ name, types }: InlineProjection): InlineCover {
  if (name === '') throw new HodisaError('invalid-name', 'an inline projection needs a name', {})
  return { name, covers: anyOf(types.map(parsePattern)) }
}

/**
 * The rule of inline projections, for every engine: whoever records an event that one covers writes the projection too.
 *
 * @param registered as they are inside the writing transaction
 * @throws {HodisaError} `inline-missing`
 */
export function assertInline(
  fresh: readonly PlannedEvent[],
  { inline }: AppendRequest,
  registered: readonly InlineCover[],
): void {
  for (const { name, covers } of registered) {
    if (inline?.projections.includes(name)) continue
    const missed = fresh.find(({ event }) => covers(event.type))
    if (missed === undefined) continue
    const { id, type } = missed.event
    throw new HodisaError(
      'inline-missing',
      `event ${id} (${type}) would be missing in ${name}: it is an inline projection that this writer does not have`,
      { projection: name, type, id },
    )
  }
}

/**
 * The same for an append that returns at once, in which no inline work can run.
 *
 * @throws {HodisaError} `capability-missing`
 */
export function assertNothingInline(
  fresh: readonly PlannedEvent[],
  { inline }: AppendRequest,
  registered: readonly InlineCover[],
): void {
  const [first] = fresh
  if (first === undefined) return
  const covered = registered.find(({ covers }) => fresh.some(({ event }) => covers(event.type)))
  const projection = inline?.projections[0] ?? covered?.name
  if (inline === undefined && projection === undefined) return
  throw new HodisaError(
    'capability-missing',
    `an outbox that returns at once cannot write inline projections${projection === undefined ? '' : ` (${projection})`}: append with the app, or in a transaction of it`,
    { capability: 'inline work in an outbox', projection: projection ?? null, type: first.event.type },
  )
}

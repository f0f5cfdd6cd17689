import { HodisaError, isHodisaError } from '../errors.ts'
import { toJson } from '../event/json.ts'
import type { Registry } from '../event/registry.ts'
import type { RecordedEvent } from '../event/types.ts'
import type { Codec } from '../log/codec.ts'
import type { Decoder } from '../log/decode.ts'
import { validateData } from '../log/prepare.ts'
import type { StoredEvent } from '../store/events.ts'

/** What a dead letter keeps of an edit: data at the version it was edited at, encoded as the log's own is. */
interface Edit {
  readonly version: number
  readonly encoding: string | null
  readonly data: string
}

/** What an editor needs to know of events. */
export interface Editing {
  readonly registry: Registry
  readonly decoder: Decoder
  readonly codec: Codec | undefined
}

/**
 * The text that a dead letter keeps for edited data.
 *
 * @throws {HodisaError} `invalid-data` where the app has the event's schema, `unserialisable-data`, `invalid-option` for an event
 * that upcasters drop or split
 */
export async function editOf(
  { registry, decoder, codec }: Editing,
  stored: StoredEvent,
  data: unknown,
): Promise<string> {
  const [first, ...others] = await partsShown(decoder, stored)
  if (first?.id !== stored.id || others.length > 0) {
    throw new HodisaError(
      'invalid-option',
      `event ${stored.id} is dropped or split on read: its data cannot be edited`,
      {
        option: 'data',
      },
    )
  }
  const { version } = first // the version it is shown at, and so edited at
  const definition = registry.get(stored.type)
  const text = toJson(definition?.version === version ? await validateData(definition, data) : data)
  const edit: Edit = { version, encoding: codec?.name ?? null, data: (await codec?.encode(text, stored)) ?? text }
  return JSON.stringify(edit)
}

/** The event as it was edited, if it was. */
export function withEdit(stored: StoredEvent, edited: string | null): StoredEvent {
  return edited === null ? stored : { ...stored, ...(JSON.parse(edited) as Edit) }
}

/** What a dead letter shows: what its service sees, or, where an upcaster fails, what was recorded. */
export async function partsShown(decoder: Decoder, stored: StoredEvent): Promise<readonly RecordedEvent[]> {
  try {
    return await decoder.parts(stored)
  } catch (error) {
    if (!isHodisaError(error, 'upcast-failed')) throw error
    return [await decoder.asRecorded(stored)]
  }
}

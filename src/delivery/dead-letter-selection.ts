import { HodisaError } from '../errors.ts'
import { shown } from '../event/input.ts'
import type { DeadLetterQuery } from '../store/groups.ts'
import type { Store } from '../store/port.ts'

/** Which parked dead letters: those that match all of what is given; `{}` is every one of the store. */
export interface DeadLetterSelection {
  readonly service?: string
  readonly key?: string
  /** A type. */
  readonly type?: string
  /** Only events up to this position, or recorded up to this time. */
  readonly until?: Date | number
}

const TEXTS: readonly string[] = ['service', 'key', 'type']

/**
 * The query for a selection. Strict: what is misspelt or not given by mistake must not select more than was meant.
 *
 * @throws {HodisaError} `invalid-option`
 */
export async function selectionQuery(
  store: Store,
  selection: DeadLetterSelection,
): Promise<Omit<DeadLetterQuery, 'limit' | 'state'>> {
  if (typeof selection !== 'object' || selection === null) throw invalid('selection', 'an id or an object', selection)
  for (const [name, value] of Object.entries(selection)) {
    if (TEXTS.includes(name)) {
      if (typeof value !== 'string') throw invalid(name, 'a text, or left out', value)
    } else if (name !== 'until') throw invalid(name, 'service, key, type or until', name)
  }
  const { until, ...rest } = selection
  if (!('until' in selection)) return rest
  return { ...rest, until: await positionOf(store, until) }
}

async function positionOf(store: Store, until: unknown): Promise<number> {
  if (until instanceof Date && !Number.isNaN(until.getTime())) return store.positionAt(until.getTime())
  if (typeof until === 'number' && Number.isSafeInteger(until) && until >= 0) return until
  throw invalid('until', 'a position from 0 or a valid Date', until)
}

function invalid(option: string, rule: string, value: unknown): HodisaError {
  return new HodisaError('invalid-option', `deadLetters: ${option} must be ${rule}, not ${shown(value)}`, { option })
}

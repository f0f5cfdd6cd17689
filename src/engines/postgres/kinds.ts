import type { EventKind } from '../../event/types.ts'

const KINDS: readonly EventKind[] = ['domain', 'system', 'integration']

/** How a kind stands in a row. */
export function kindNumber(kind: EventKind): number {
  return KINDS.indexOf(kind)
}

export function kindOf(number: number): EventKind {
  return KINDS[number] ?? 'domain'
}

import type { StoredEvent } from '../../store/events.ts'

const MOST_EVENTS = 2_000

/** Positions in a row that were recorded at one time: a batch of the log. */
export interface Run {
  /** The first of them. */
  readonly position: number
  /** How many positions, whether or not an event is still there. */
  readonly count: number
  readonly recordedAt: number
  readonly events: readonly StoredEvent[]
}

/**
 * All positions above `after`, up to `until`, as runs: what refers to an event that has expired since finds its place, too.
 *
 * @param recordedAt of the last event before
 */
export function runsOf(
  events: readonly StoredEvent[],
  { after, until, recordedAt }: { readonly after: number; readonly until: number; readonly recordedAt: number },
): Run[] {
  const groups: StoredEvent[][] = []
  for (const event of events) {
    const last = groups.at(-1)
    if (last !== undefined && last[0]?.recordedAt === event.recordedAt && last.length < MOST_EVENTS) last.push(event)
    else groups.push([event])
  }
  if (groups.length === 0) groups.push([])
  let position = after + 1
  return groups.map((group, index) => {
    const next = index === groups.length - 1 ? until + 1 : (group.at(-1)?.position ?? until) + 1
    const run = { position, count: next - position, recordedAt: group[0]?.recordedAt ?? recordedAt, events: group }
    position = next
    return run
  })
}

import { parsePattern } from '../event/pattern.ts'
import type { GroupState } from '../store/groups.ts'
import type { Store } from '../store/port.ts'

/**
 * Where the subscription of a type begins that the service has subscribed under a former name: where that one began, for it is
 * the same event. Told is the last place before the first event of the new name, so that nothing need be read again for it.
 * Undefined where there is no such subscription, or this one stands already.
 */
export async function renamedSince(
  store: Store,
  { subscriptions }: GroupState,
  type: string,
  formerly: readonly string[],
): Promise<number | undefined> {
  if (formerly.length === 0 || subscriptions.some(({ pattern }) => pattern === type)) return undefined
  const before = subscriptions.filter(({ pattern }) => {
    const { matches } = parsePattern(pattern)
    return formerly.some((former) => matches(former))
  })
  if (before.length === 0) return undefined
  let since = Math.min(...before.map((one) => one.since))
  for (;;) {
    const { events, scanned, end } = await store.readLog({ types: [type], after: since, limit: 1 })
    const [first] = events
    if (first !== undefined) return first.position - 1
    since = Math.max(since, scanned)
    if (end) return since
  }
}

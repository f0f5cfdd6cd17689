import { HodisaError } from '../errors.ts'
import { anyOf, parsePattern } from '../event/pattern.ts'
import type { Registry } from '../event/registry.ts'
import type { Receipt } from '../store/events.ts'
import type { Clock, Store } from '../store/port.ts'
import { typesOf } from './declare.ts'
import type { DefinedProjection } from './definition.ts'
import { idOf, isParallel, reached, type ViewState, type ViewStates } from './state.ts'

/** How soon it is looked again, hint or not: at first, then less and less often; and how often at what changes seldom. Ms. */
const LOOK_FIRST = 1
const LOOK_EVERY = 25
const LOOK_CLOSELY_EVERY = 200

export interface WaitingHost {
  readonly store: Store
  readonly states: ViewStates
  readonly clock: Clock
  readonly registry: Registry
}

/**
 * Waits until a view holds the events of a receipt, and in any case all that stood in the log when it was first declared.
 *
 * @throws {HodisaError} `view-blocked` where it does not go on, `timeout`, `view-building`
 */
export async function caughtUp(
  { store, states, clock, registry }: WaitingHost,
  projection: DefinedProjection,
  after: Receipt | undefined,
  timeout: number,
): Promise<ViewState> {
  const first = await states.read(projection)
  if (after === undefined && first !== undefined && isKnownComplete(states, first)) return first
  const deadline = clock.monotonic() + timeout
  const matches = anyOf(typesOf(projection, registry).map(parsePattern))
  let closely = clock.monotonic()
  let goal: number | undefined
  for (let wait = LOOK_FIRST; ; wait = Math.min(LOOK_EVERY, wait * 2)) {
    goal ??= after === undefined ? 0 : await lastPlace(store, after, matches)
    const state = await states.read(projection)
    if (state?.inline === true && state.position >= state.goal) return state // written with the events
    const wanted = goal === undefined || state === undefined ? undefined : Math.max(goal, state.goal)
    if (state !== undefined && wanted !== undefined) {
      const parallel = isParallel(state)
      const closelyNow = clock.monotonic() >= closely
      const here = closelyNow || parallel ? await reached(store, state) : state.position
      if (here >= wanted) {
        states.complete.add(completeName(state))
        return state
      }
      if (closelyNow) {
        closely += LOOK_CLOSELY_EVERY
        await assertGoesOn(store, projection, state)
      }
    }
    if (clock.monotonic() >= deadline) throw late(projection, state, after, timeout, states)
    await hintOrTime(store, clock, wait)
  }
}

/** What has been complete once stays so. */
function isKnownComplete(states: ViewStates, state: ViewState): boolean {
  if (!isParallel(state)) return state.position >= state.goal
  return (state.base ?? 0) >= state.goal || states.complete.has(completeName(state))
}

function completeName(state: ViewState): string {
  return `${idOf(state)} ${state.goal}`
}

/** The last of the receipt's events that the view takes in; 0 where there is none; undefined while readers cannot see them. */
async function lastPlace(
  store: Store,
  { token }: Receipt,
  matches: (type: string) => boolean,
): Promise<number | undefined> {
  const places = await store.resolve(token)
  return places?.reduce((last, { type, position }) => (matches(type) ? Math.max(last, position) : last), 0)
}

async function assertGoesOn(store: Store, { id, service }: DefinedProjection, { blocked }: ViewState): Promise<void> {
  if (blocked?.state === 'blocked') {
    const { event, error } = blocked
    throw new HodisaError(
      'view-blocked',
      `view ${id} does not go on: ${event.type} ${event.id} fails: ${error.message}`,
      { view: id, event, error: { name: error.name, message: error.message } },
    )
  }
  const { paused } = await store.groups.read(service)
  if (paused !== null) throw new HodisaError('view-blocked', `view ${id} is paused: ${paused}`, { view: id, paused })
}

function late(
  { id }: DefinedProjection,
  state: ViewState | undefined,
  after: Receipt | undefined,
  timeout: number,
  states: ViewStates,
): HodisaError {
  if (state !== undefined && after !== undefined && isKnownComplete(states, state)) {
    return new HodisaError('timeout', `view ${id} has not caught up with the receipt after ${timeout} ms`, {
      view: id,
      timeout,
      position: state.position,
    })
  }
  const how =
    state === undefined ? 'no program has begun to build it' : `it is at position ${state.position} of ${state.goal}`
  return new HodisaError('view-building', `view ${id} is not built yet after ${timeout} ms: ${how}`, {
    view: id,
    timeout,
    position: state?.position ?? 0,
    goal: state?.goal ?? null,
  })
}

function hintOrTime(store: Store, clock: Clock, wait: number): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      cancel()
      unwatch()
      resolve()
    }
    // Not at every hint: a busy store gives many.
    const cancel = clock.after(wait, over)
    let hinted = false
    const unwatch = store.watch(() => {
      if (hinted) return
      hinted = true
      clock.after(2, over)
    })
  })
}

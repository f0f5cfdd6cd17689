import type { Effect, History, Logged, ProcessLife, Run, ServiceExpectation, Violation } from './history.ts'

/** How long a process that shows no sign of life keeps its share, in ms: nobody may take it over before. */
export const LEASE = 6_000
/**
 * A process that was frozen between its last look at the clock and the handler could not know: a handler that begins so long after
 * that look, in ms, says nothing about the lease.
 */
const FROZEN_BETWEEN = 500

/** Whether one service handled what it had to, as often and in the order it had to. `wanted` is in log order. */
export function* checkHandling(
  history: History,
  { service, commits }: ServiceExpectation,
  wanted: readonly Logged[],
): Generator<Violation> {
  const runs = Map.groupBy(
    history.runs.filter((run) => run.service === service),
    ({ position }) => position,
  )
  const effects = Map.groupBy(
    history.effects.filter((effect) => effect.service === service),
    ({ position }) => position,
  )
  const lives = new Map(history.processes.map((life) => [life.name, life]))
  for (const { id, position } of wanted) {
    const own = effects.get(position) ?? []
    const handled = own.length > 0 || (runs.get(position) ?? []).some(({ outcome }) => outcome === 'done')
    if (!handled) yield { kind: 'unhandled', what: `${service} never handled ${id} at ${position}` }
    else if (commits && own.length === 0) {
      yield { kind: 'missing-effect', what: `${service}: ${id} at ${position} has no effect` }
    }
    if (own.length > 1) {
      yield { kind: 'duplicate-effect', what: `${service}: ${id} at ${position} has ${own.length} effects` }
    }
  }
  for (const [key, events] of Map.groupBy(wanted, (event) => event.key)) {
    const lane = { service, key, events, runs, effects, lives }
    yield* checkEffectOrder(lane)
    yield* checkOrder(lane)
    yield* checkOverlap(lane)
  }
  for (const run of [...runs.values()].flat()) yield* checkLease(run, lives)
}

interface Lane {
  readonly service: string
  readonly key: string
  /** Of this key, in log order. */
  readonly events: readonly Logged[]
  readonly runs: ReadonlyMap<number, readonly Run[]>
  readonly effects: ReadonlyMap<number, readonly Effect[]>
  readonly lives: ReadonlyMap<string, ProcessLife>
}

/** What was committed for a key stands in the store in the key's order. */
function* checkEffectOrder({ service, key, events, effects }: Lane): Generator<Violation> {
  let last = 0
  for (const { position } of events) {
    for (const { order } of effects.get(position) ?? []) {
      if (order < last)
        yield { kind: 'effect-order', what: `${service}: the effect of ${position} of ${key} is too early` }
      last = Math.max(last, order)
    }
  }
}

/**
 * An event begins only once the one before it of its key was handled: its handler had ended, or its effect was committed (the
 * process may have died between the commit and the handler's end).
 */
function* checkOrder({ service, key, events, runs, effects }: Lane): Generator<Violation> {
  for (const [index, { position }] of events.entries()) {
    const before = events[index - 1]
    if (before === undefined) continue
    const handled = handledAt(runs.get(before.position), effects.get(before.position))
    for (const { begin, process, batch } of runs.get(position) ?? []) {
      if (handled <= begin) continue
      if (batch !== undefined && runs.get(before.position)?.some((run) => run.batch === batch)) continue
      const what = `${service}: ${position} of ${key} began in ${process} before ${before.position} was handled`
      yield { kind: 'order', what }
    }
  }
}

function handledAt(runs: readonly Run[] = [], effects: readonly Effect[] = []): number {
  const ends = runs.filter(({ outcome }) => outcome === 'done').map(({ end }) => end)
  return Math.min(...ends, ...effects.map(({ at }) => at))
}

/**
 * No two handlers of one key at a time, with one exception: a process whose lease ran out after its handler had begun cannot call
 * it back, so another may run beside it from then on. That the lease had run out is read off its confirmed heartbeats.
 */
function* checkOverlap({ service, key, events, runs, lives }: Lane): Generator<Violation> {
  const all = events.flatMap(({ position }) => runs.get(position) ?? []).sort((one, other) => one.begin - other.begin)
  let running: Run[] = []
  for (const run of all) {
    running = running.filter(({ end }) => end > run.begin)
    for (const other of running) {
      if (other.batch !== undefined && other.batch === run.batch) continue
      if (lapsed(lives.get(other.process), other.begin, run.begin)) continue
      const what = `${service}: ${run.position} of ${key} began in ${run.process} while ${other.position} ran in ${other.process}`
      yield { kind: 'overlap', what }
    }
    running.push(run)
  }
}

/** Whether a lease ended between two moments, as far as its heartbeats tell. */
function lapsed(life: ProcessLife | undefined, from: number, to: number): boolean {
  const beats = life?.beats.filter((beat) => beat <= to) ?? []
  for (const [index, beat] of beats.entries()) {
    const next = Math.min(beats[index + 1] ?? to, to)
    if (next - beat >= LEASE && next > from) return true
  }
  return beats.length === 0
}

/** A process begins nothing once its lease has run out by its own clock. */
function* checkLease(run: Run, lives: ReadonlyMap<string, ProcessLife>): Generator<Violation> {
  if (run.begin - run.checked >= FROZEN_BETWEEN) return
  const last = lives.get(run.process)?.beats.findLast((beat) => beat <= run.begin)
  if (last !== undefined && run.begin - last < LEASE) return
  const since =
    last === undefined ? 'without a heartbeat' : `${Math.round(run.begin - last)} ms after its last heartbeat`
  yield { kind: 'begun-without-lease', what: `${run.service}: ${run.process} began ${run.position} ${since}` }
}

import { KILL_POINTS, type KillPoint } from './faults.ts'
import { between, pick, seededRandom } from './random.ts'
import type { StoreName } from './stores.ts'

/** One fault, or one change in the number of processes, at a time from the start in ms. Slots are places for processes. */
export type Step = { readonly at: number } & (
  | { readonly do: 'scale'; readonly to: number }
  | { readonly do: 'kill'; readonly slot: number; readonly point: KillPoint | 'anywhere'; readonly call: number }
  | { readonly do: 'kill-publisher'; readonly publisher: number; readonly point: KillPoint; readonly call: number }
  | { readonly do: 'stop'; readonly slots: readonly number[]; readonly for: number }
  | { readonly do: 'block'; readonly slot: number; readonly for: number }
  | { readonly do: 'clock'; readonly slot: number; readonly by: number }
  | {
      readonly do: 'outage'
      readonly slots: readonly number[]
      readonly code: 'store-full' | 'store-unavailable'
      readonly for: number
    }
  /** Somebody else keeps the store locked. */
  | { readonly do: 'hold'; readonly for: number }
  /** A process whose files may not grow any more: its disk is full in earnest. */
  | { readonly do: 'full-disk'; readonly slot: number; readonly for: number }
  /** Of the server, where the store has one: as it should be, or like a crash. */
  | { readonly do: 'restart'; readonly how: 'fast' | 'immediate' }
  /** Connections are ended by the server. */
  | { readonly do: 'terminate'; readonly count: number }
  /** A publication in a transaction that stays open. */
  | { readonly do: 'late'; readonly for: number }
)

export interface Plan {
  /** Ms until the faults end and the work must come to rest. */
  readonly duration: number
  readonly publishers: number
  /** Of each publisher. */
  readonly perSecond: number
  /** Publications in all, at most. */
  readonly most: number
  /** In order of time. */
  readonly steps: readonly Step[]
}

/** What the last takeover and the rest of the work are given at the end, in ms. */
const REST = 15_000
const SHORTEST = 6_000
const KILL_EVERY = 1_150
const STOP_EVERY = 13_500
const PUBLISHERS = 2
const MOST_INSTANCES = 10
/** How long one of two slots is left alone in its turn, so that there is always somebody who watches the others. */
const WATCH = 24_000
const PUBLISHER_POINTS = ['append.before', 'append.after', 'commit.before', 'commit.after'] as const
const SERVICE_POINTS = KILL_POINTS.filter((point) => !point.startsWith('migration') && !point.startsWith('append'))

/** The same plan for the same seed and time. */
export function makePlan(seed: number, minutes: number, store: StoreName = 'sqlite'): Plan {
  const duration = Math.max(SHORTEST, minutes * 60_000 - REST)
  const random = seededRandom(seed)
  const scales = scaling(random, duration)
  const busy = new Busy(scales)
  const steps: Step[] = scales.map(({ at, to }) => ({ at, do: 'scale', to }))
  steps.push(...stops(random, duration, scales, busy))
  steps.push(...others(random, duration, busy), ...kills(random, duration, busy))
  if (store === 'postgres') steps.push(...ofServer(random, duration))
  steps.sort((one, other) => one.at - other.at)
  return { duration, publishers: PUBLISHERS, perSecond: 40, most: Number.MAX_SAFE_INTEGER, steps }
}

interface Scale {
  readonly at: number
  readonly to: number
}

/** 1 → 10 → 3, and again up and down. */
function scaling(random: () => number, duration: number): Scale[] {
  const scales: Scale[] = [{ at: 0, to: 1 }]
  for (let at = 2_000, up = true; at < duration; up = !up) {
    scales.push({ at, to: up ? (scales.length === 1 ? MOST_INSTANCES : between(random, 6, MOST_INSTANCES)) : 3 })
    at += up ? between(random, 28_000, 36_000) : between(random, 8_000, 12_000)
  }
  return scales
}

/** Which slots are in use, and which are not to be touched because of what happens to them already. */
class Busy {
  readonly #scales: readonly Scale[]
  readonly #taken: { readonly slot: number; readonly from: number; readonly to: number }[] = []

  constructor(scales: readonly Scale[]) {
    this.#scales = scales
  }

  take(slot: number, from: number, to: number): void {
    this.#taken.push({ slot, from, to })
  }

  /** Slots that a fault may come to from one time to another. */
  free(from: number, to: number): number[] {
    const { length } = Array.from({ length: MOST_INSTANCES }, (_, slot) => slot)
    const slots: number[] = []
    for (let slot = 0; slot < length; slot++) {
      const runs = this.#runs(slot, from) && this.#runs(slot, to)
      const taken = this.#taken.some((one) => one.slot === slot && one.from < to && from < one.to)
      if (runs && !taken && !watches(slot, from) && !watches(slot, to)) slots.push(slot)
    }
    return slots
  }

  /** Whether the slot is in use for a while before and after. */
  #runs(slot: number, at: number): boolean {
    return [at - 1_500, at].every((time) => slot < (this.#scales.findLast((scale) => scale.at <= time)?.to ?? 0))
  }
}

/** The next watcher is left alone for as long as it needs to know the others before the last one may be hit. */
function watches(slot: number, at: number): boolean {
  const turn = Math.floor(at / WATCH)
  return slot === turn % 2 || (slot === (turn + 1) % 2 && at % WATCH < WATCH / 2)
}

/** Several at a time, and only while there are many. */
function stops(random: () => number, duration: number, scales: readonly Scale[], busy: Busy): Step[] {
  const steps: Step[] = []
  for (const [index, { at: begins, to }] of scales.entries()) {
    if (to <= 3) continue
    const ends = Math.min(scales[index + 1]?.at ?? duration, duration) - 5_000
    for (let at = begins + 2_500; at < ends; at += STOP_EVERY) {
      const long = between(random, 8_000, 11_000)
      const free = busy.free(at, Math.min(at + 4_000, duration))
      const slots: number[] = []
      while (slots.length < 4 && free.length > 2) slots.push(...free.splice(Math.floor(random() * free.length), 1))
      for (const slot of slots) busy.take(slot, at - 500, at + long + 1_500)
      if (slots.length > 0) steps.push({ at, do: 'stop', slots, for: long })
    }
  }
  return steps
}

function others(random: () => number, duration: number, busy: Busy): Step[] {
  const steps: Step[] = []
  const kinds = ['block', 'clock', 'outage', 'full-disk', 'clock', 'outage', 'hold'] as const
  for (let at = 6_000, turn = 0; at < duration - 3_000; at += between(random, 2_500, 4_500), turn++) {
    const kind = kinds[turn % kinds.length] ?? 'clock'
    if (kind === 'hold') {
      steps.push({ at, do: 'hold', for: between(random, 300, 1_500) })
      continue
    }
    const long = between(random, kind === 'block' ? 7_000 : 2_000, 9_000)
    const slot = pick(random, busy.free(at, Math.min(at + long, duration)))
    if (slot === undefined) continue
    if (kind !== 'clock') busy.take(slot, at - 500, at + long + 1_500)
    if (kind === 'clock') steps.push({ at, do: 'clock', slot, by: random() < 0.5 ? 3_600_000 : -3_600_000 })
    else if (kind === 'outage') {
      const code = random() < 0.5 ? 'store-full' : 'store-unavailable'
      steps.push({ at, do: 'outage', slots: [slot], code, for: long })
    } else steps.push({ at, do: kind, slot, for: long })
  }
  return steps
}

/**
 * What befalls a server. Transactions that stay open are short, and at times undone, while it is restarted; after that one of them
 * stays open for all the rest.
 */
function ofServer(random: () => number, duration: number): Step[] {
  const steps: Step[] = []
  const calm = duration * 0.6
  for (let at = 6_000; at < calm; at += between(random, 5_500, 8_500)) {
    steps.push({ at, do: 'restart', how: random() < 0.5 ? 'fast' : 'immediate' })
  }
  for (let at = 3_500; at < duration; at += between(random, 1_500, 3_000)) {
    steps.push({ at, do: 'terminate', count: between(random, 1, 3) })
  }
  for (let at = 2_500; at < duration - 8_000; at += between(random, 3_000, 6_000)) {
    steps.push({ at, do: 'late', for: between(random, 1_000, 8_000) })
  }
  steps.push({ at: calm + 5_000, do: 'late', for: Math.max(1_000, duration - calm - 6_000) })
  return steps
}

function kills(random: () => number, duration: number, busy: Busy): Step[] {
  const steps: Step[] = []
  for (let at = 4_000; at < duration; at += KILL_EVERY) {
    const slot = pick(random, busy.free(at, at + 1_500))
    const point = random() < 0.2 ? 'anywhere' : (pick(random, SERVICE_POINTS) ?? 'anywhere')
    const publisherPoint = pick(random, PUBLISHER_POINTS) ?? 'append.after'
    if (slot === undefined || random() < 0.1) {
      const publisher = between(random, 0, PUBLISHERS - 1)
      steps.push({ at, do: 'kill-publisher', publisher, point: publisherPoint, call: between(random, 1, 20) })
      continue
    }
    busy.take(slot, at - 500, at + 2_500)
    steps.push({ at, do: 'kill', slot, point, call: between(random, 1, /^h(eart|ando)|^cl/.test(point) ? 1 : 5) })
  }
  return steps
}

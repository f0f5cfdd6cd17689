import { setTimeout as delay } from 'node:timers/promises'
import type { App } from '../../app-types.ts'
import type { NewEvent } from '../../event/types.ts'
import type { Receipt } from '../../store/events.ts'
import { Lines, linesFile } from './lines.ts'
import type { LabModule } from './module.ts'
import { seededRandom } from './random.ts'
import type { LabPlace } from './stores.ts'
import type { WorkerSetup } from './worker.ts'

/** One in so many publications is made again, with the same ids. */
const AGAIN = 10
const AT_ONCE = 16

const REST = 50

export interface Publishing extends NonNullable<WorkerSetup['publish']> {
  readonly seed: number
  readonly lines: Lines
  readonly stopped: Promise<void>
  /** Whether nothing is to be begun for now. */
  rests(): boolean
}

/** Publishes numbers until it is told to stop, each at least once, and notes what was acknowledged. */
export async function publishAll(
  app: App,
  module: LabModule,
  { seed, from, step, perSecond, most, lines, stopped, rests }: Publishing,
): Promise<void> {
  let goesOn = true
  void stopped.then(() => (goesOn = false))
  const open = new Set<Promise<void>>()
  const start = (number: number) => {
    const publishing: Promise<void> = publishOnce(number).finally(() => open.delete(publishing))
    open.add(publishing)
  }

  async function publishOnce(number: number): Promise<void> {
    const events = publication(module, seed, number)
    for (let wait = 50; ; wait = Math.min(1_000, wait * 2)) {
      try {
        const { ids, streams, duplicate } = await app.publish(events)
        lines.write(['a', number, ids, streams, duplicate])
        return
      } catch (error) {
        lines.write(['x', number, String(error)])
        if (!goesOn) return
        await delay(wait)
      }
    }
  }

  let begun = performance.now()
  for (let count = 0; goesOn && from + count * step < most; count++) {
    const ahead = (count * 1_000) / perSecond - (performance.now() - begun)
    if (ahead > 0) await delay(ahead)
    for (; goesOn && rests(); begun += REST) await delay(REST)
    while (open.size >= AT_ONCE) await Promise.race(open)
    const number = from + count * step
    start(number)
    if (number % AGAIN === 0) start(Math.floor(seededRandom(seed + number)() * (number + 1)))
  }
  await Promise.all(open)
  if (goesOn) await stopped
}

/** Publishes in a transaction that stays open for `ms`; tells whether it was committed. */
export type LatePublisher = (place: LabPlace, ms: number) => Promise<boolean>

/** Numbers of publications in transactions that stay open, apart from all others. */
const LATE = 1_000_000_000

export function latePublications(app: App, module: LabModule, seed: number, folder: string): LatePublisher {
  let last = LATE
  return async (place, ms) => {
    if (place.publishLate === undefined) return false
    const number = last++
    const told: Receipt[] = []
    const events = publication(module, seed, number).map((event) => onStream(event, `late-${number}`))
    const publish = async (outbox: ReturnType<App['outbox']>) => {
      told.push(await outbox.publish(events))
    }
    await place.publishLate(app, publish, ms)
    const lines = new Lines(linesFile(folder, `late.${number}`))
    for (const { ids, streams, duplicate } of told) lines.write(['a', number, ids, streams, duplicate])
    lines.close()
    return true
  }
}

/** The events of a number: the same whenever they are made. */
function publication(module: LabModule, seed: number, number: number): NewEvent[] {
  const made = [module.workload(number, seededRandom(seed * 1_000_003 + number))].flat()
  return made.map((event, index) => ({ ...event, extras: { ...event.extras, id: `lab-${number}-${index}` } }))
}

/** Apart from all others, who would wait for it. */
function onStream(event: NewEvent, stream: string): NewEvent {
  const { key: _, ...extras } = event.extras ?? {}
  return { ...event, extras: { ...extras, stream } }
}

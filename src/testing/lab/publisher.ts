import { setTimeout as delay } from 'node:timers/promises'
import type { App } from '../../app-types.ts'
import type { NewEvent } from '../../event/types.ts'
import type { Lines } from './lines.ts'
import type { LabModule } from './module.ts'
import { seededRandom } from './random.ts'
import type { WorkerSetup } from './worker.ts'

/** One in so many publications is made again, with the same ids. */
const AGAIN = 10
const AT_ONCE = 16

/** Publishes numbers until it is told to stop, each at least once, and notes what was acknowledged. */
export async function publishAll(
  app: App,
  module: LabModule,
  seed: number,
  { from, step, perSecond, most }: NonNullable<WorkerSetup['publish']>,
  lines: Lines,
  stopped: Promise<void>,
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

  const begun = performance.now()
  for (let count = 0; goesOn && from + count * step < most; count++) {
    const ahead = (count * 1_000) / perSecond - (performance.now() - begun)
    if (ahead > 0) await delay(ahead)
    while (open.size >= AT_ONCE) await Promise.race(open)
    const number = from + count * step
    start(number)
    if (number % AGAIN === 0) start(Math.floor(seededRandom(seed + number)() * (number + 1)))
  }
  await Promise.all(open)
  if (goesOn) await stopped
}

/** The events of a number: the same whenever they are made. */
function publication(module: LabModule, seed: number, number: number): NewEvent[] {
  const made = [module.workload(number, seededRandom(seed * 1_000_003 + number))].flat()
  return made.map((event, index) => ({ ...event, extras: { ...event.extras, id: `lab-${number}-${index}` } }))
}

/*
 * One process of a run: an instance of every service, or a publisher. Started by the laboratory with its configuration as the one
 * argument; obeys commands from its parent, and ends with it.
 */
import { hodisa } from '../../app.ts'
import { systemClock } from '../../clock.ts'
import { isHodisaError } from '../../errors.ts'
import type { Logger, StoreFactory } from '../../store/port.ts'
import { type Command, Faults, type KillPoint, machineTime } from './faults.ts'
import { faultyStore } from './faulty-store.ts'
import { instrumented } from './instrument.ts'
import { Lines, linesFile } from './lines.ts'
import { loadModule } from './module.ts'
import { publishAll } from './publisher.ts'
import { labStore, type StorePlace } from './stores.ts'

export interface WorkerSetup {
  readonly name: string
  readonly folder: string
  readonly place: StorePlace
  readonly worker: string
  readonly seed: number
  /** It dies there at its first call. */
  readonly die?: KillPoint
  /** A publisher: from which number on, in which steps, and how many a second. */
  readonly publish?: { readonly from: number; readonly step: number; readonly perSecond: number; readonly most: number }
}

/** How a process ends that could not reach its store when it started or stopped. */
const WITHOUT_STORE = 3

const setup = JSON.parse(process.argv[2] ?? '') as WorkerSetup
const lines = new Lines(linesFile(setup.folder, setup.name))
const faults = new Faults(lines)
const stopped = Promise.withResolvers<void>()
let restsUntil = 0

process.on('disconnect', () => process.exit(1)) // the laboratory is gone
process.on('message', (command: Command) => {
  if (command.do === 'stop') stopped.resolve()
  else if (command.do === 'rest') restsUntil = machineTime() + command.for
  else faults.obey(command)
})
if (setup.die !== undefined) faults.obey({ do: 'die', point: setup.die, call: 1 })
const { factory, durability, points } = labStore(setup.place.store)
await points(faults)

const module = await loadModule(setup.worker)
try {
  await run()
} catch (error) {
  // To start or to stop without a store is refused, and said: whoever keeps the process up starts it again.
  if (!isHodisaError(error) || !error.code.startsWith('store-')) throw error
  lines.write(['l', 'error', error.message])
  process.exit(WITHOUT_STORE)
}
process.removeAllListeners('disconnect')
process.disconnect?.()

async function run(): Promise<void> {
  const app = await hodisa({
    source: setup.name,
    store: faultyStore(wrapped(factory(setup.place.at)), faults, lines),
    events: module.events,
    durability,
    clock: faults.clock(module.wrapClock?.(systemClock) ?? systemClock),
    logger: logger(),
  })
  if (setup.publish === undefined) {
    module.services(instrumented(app, lines, faults))
    await app.start()
    process.send?.({ ready: true })
    await stopped.promise
  } else {
    process.send?.({ ready: true })
    const rests = () => machineTime() < restsUntil
    await publishAll(app, module, { seed: setup.seed, ...setup.publish, lines, stopped: stopped.promise, rests })
  }
  await app.stop()
}

function wrapped(store: StoreFactory): StoreFactory {
  const { wrapStore } = module
  if (wrapStore === undefined) return store
  return { engine: store.engine, open: async (host) => wrapStore(await store.open(host)) }
}

/** What the framework says goes to the lines, for whoever looks into a failed run. */
function logger(): Logger {
  const say = (level: string) => (message: string) => lines.write(['l', level, message, machineTime()])
  return { debug: () => undefined, info: () => undefined, warn: say('warn'), error: say('error') }
}

import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type App, hodisa } from 'hodisa'
import { source } from '../orders/source.ts'
import { seededRandom } from '../random.ts'
import { receiptsFolder, shownPlace, storeAt } from '../store.ts'
import { prepareTables } from '../tables.ts'
import { CHAOS_SECONDS, type ChaosSetup, chaos, endlessChaos } from './chaos.ts'
import { createDisplay } from './display.ts'
import { Effects } from './effects.ts'
import { Fleet } from './fleet.ts'
import { Monitor } from './monitor.ts'
import type { Options } from './options.ts'
import { placeFor } from './place.ts'
import { type Report, reportOn } from './report.ts'
import { SERVICES } from './services.ts'
import { aborted, allSettled, showUntil, unless } from './wait.ts'

export interface Signals {
  /** Asks the run to end; then there is no report. */
  readonly stop: AbortSignal
  /** Asks it to end at once. */
  readonly kill: AbortSignal
}

/** Runs the shop until its work is done or it is asked to stop. */
export async function runShop(options: Options, signals: Signals): Promise<Report | undefined> {
  const { place, remove } = await placeFor(options.store)
  try {
    const app = await hodisa({ source: 'shop-supervisor', store: storeAt(place) })
    try {
      await prepareTables(app)
      return await runOn(app, place, options, signals)
    } finally {
      await app.stop()
    }
  } finally {
    await remove()
  }
}

async function runOn(app: App, store: string, options: Options, signals: Signals): Promise<Report | undefined> {
  const title = options.orders === undefined ? 'made-up orders' : basename(options.orders)
  const display = createDisplay(title, process.stdout.isTTY && !options.json)
  const fleet = new Fleet({ notify: display.notify, env: childEnvironment(store) })
  const effects = await Effects.open(store)
  const ended = new AbortController()
  const over = AbortSignal.any([signals.stop, ended.signal])
  signals.kill.addEventListener('abort', () => fleet.killAll())
  let kills = 0

  try {
    display.notify(`the store is ${shownPlace(store)}`)
    for (const { name } of SERVICES) if (name !== 'order' && !options.down.includes(name)) fleet.start(name)
    const expected = await invoicesInSource(options)
    const monitor = new Monitor(app, fleet, effects, expected?.size)
    fleet.start('order', orderArguments(options, expected?.size))

    const mayhem = unless(
      over,
      makeChaos(options, fleet, monitor, over, (service) => {
        display.notify(`chaos: SIGKILL ${++kills}, to ${service} (--seed ${options.seed})`)
      }),
    )
    const background = unless(over, Promise.all([monitor.watch(over), showUntil(over, monitor, display), mayhem]))
    const work = unless(over, workThrough(options, app, fleet, mayhem, over))
    await Promise.race([work, background, fleet.hopeless, aborted(signals.stop)])

    const { seconds } = monitor
    const done = options.once && !signals.stop.aborted
    const last = await monitor.snapshot({ settled: done })
    ended.abort()
    await background // nothing is drawn over the last picture
    display.show(last)
    await fleet.stop()
    if (!done || expected === undefined) return undefined
    return await reportOn({ app, effects, receipts: receiptsFolder(store), source: expected, kills, seconds })
  } finally {
    ended.abort()
    await fleet.stop()
    await effects.close()
    display.close()
  }
}

/** Takes all orders in, then lets what was down catch up; resolves when nothing is left to do. */
async function workThrough({ once, down }: Options, app: App, fleet: Fleet, mayhem: Promise<void>, over: AbortSignal) {
  await fleet.ordersIn
  if (once) await mayhem
  for (const name of down) fleet.start(name)
  await (once ? allSettled(app, over) : aborted(over))
}

async function makeChaos(
  options: Options,
  fleet: Fleet,
  monitor: Monitor,
  signal: AbortSignal,
  onKill: (service: string) => void,
): Promise<void> {
  const setup: ChaosSetup = {
    random: seededRandom(options.seed),
    victims: () => fleet.instances,
    onKill: ({ service }) => onKill(service),
    signal,
  }
  if (options.chaos) await (options.once ? chaos(setup, () => monitor.progress) : endlessChaos(setup))
}

/** The numbers of all invoices to come; undefined where they have no end. What cannot be read is for the order service to say. */
async function invoicesInSource({ orders, count }: Options): Promise<ReadonlySet<string> | undefined> {
  if (orders === undefined && count === undefined) return undefined
  const numbers = new Set<string>()
  const ignore = () => undefined
  for await (const { invoice } of source({ file: orders, count }, ignore)) numbers.add(invoice.invoice)
  return numbers
}

function orderArguments({ orders, count, rate, chaos }: Options, total = 0): string[] {
  const pace = rate ?? (chaos ? Math.max(0.5, total / CHAOS_SECONDS) : undefined)
  return Object.entries({ orders, count, rate: pace }).flatMap(([flag, value]) =>
    value === undefined ? [] : [`--${flag}`, String(value)],
  )
}

/** Eighteen processes compile the same files: the cache makes it once. */
function childEnvironment(store: string): Record<string, string> {
  return { SHOP_STORE: store, NODE_COMPILE_CACHE: join(tmpdir(), 'hodisa-shop-compile-cache') }
}

import { HodisaError } from '../errors.ts'
import { type Duration, milliseconds } from '../event/duration.ts'
import { assertObject, assertOptions, assertTexts, invalidOption } from '../event/input.ts'
import { assertService } from '../event/names.ts'
import { anyOf, parsePattern } from '../event/pattern.ts'
import type { Receipt } from '../store/events.ts'
import type { Clock, Store } from '../store/port.ts'
import { PROJECTION } from './one-lane.ts'

export interface SettledOptions {
  /** All recorded services, and all projections that some program runs, by default. */
  readonly services?: readonly string[]
  /** Wait for these events only; by default for everything recorded, and what the services publish meanwhile. */
  readonly after?: Receipt
  /** 30 s by default. */
  readonly timeout?: Duration
}

/** How often it is looked, hint or not. Ms. */
const LOOK_EVERY = 100
const SCAN = 500

/** Waits until services have finished; parked events count as finished, retrying and waiting ones do not. */
export class Settling {
  readonly #store: Store
  readonly #clock: Clock

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** @throws {HodisaError} `timeout`, naming what is unfinished */
  async settled(options: SettledOptions = {}): Promise<void> {
    assertSettledOptions(options)
    const timeout = milliseconds(options.timeout ?? '30s', 'timeout')
    const deadline = this.#clock.monotonic() + timeout
    let wake = () => {}
    const unwatch = this.#store.watch(() => wake())
    try {
      for (;;) {
        const head = await this.#store.head()
        const open = await this.#unfinished(options)
        if (open.length === 0) {
          // A service that was looked at first may have got work since from one that was looked at last.
          if (options.after !== undefined || (await this.#store.head()) === head) return
          open.push(`events were published since position ${head}`)
        }
        const left = deadline - this.#clock.monotonic()
        if (left <= 0) {
          throw new HodisaError('timeout', `not settled after ${timeout} ms: ${open.join('; ')}`, {
            timeout,
            unfinished: open,
          })
        }
        await new Promise<void>((resolve) => {
          const cancel = this.#clock.after(Math.min(LOOK_EVERY, left), resolve)
          wake = () => {
            cancel()
            // Not at once: a busy log would be looked at after every commit.
            this.#clock.after(5, resolve)
          }
        })
        wake = () => {}
      }
    } finally {
      unwatch()
    }
  }

  async #unfinished({ services, after }: SettledOptions): Promise<string[]> {
    const names = services ?? (await this.#store.groups.list())
    const open: string[] = []
    for (const name of names) {
      if (services === undefined && (await this.#isLeft(name))) continue
      const what = after === undefined ? await this.#behind(name) : await this.#missing(name, after)
      if (what !== undefined) open.push(`${name} ${what}`)
    }
    return open
  }

  /** A version of a projection that no code declares any more does not go on. */
  async #isLeft(name: string): Promise<boolean> {
    return name.startsWith(PROJECTION) && (await this.#store.groups.read(name)).members.length === 0
  }

  /** Whether events of its subscriptions stand above its checkpoints. */
  async #behind(service: string): Promise<string | undefined> {
    const { checkpoints, cursors } = await this.#store.groups.progress(service)
    const state = await this.#store.groups.read(service)
    if (state.revision === 0) return 'is not recorded in the store'
    if (cursors.retrying > 0) return `has ${cursors.retrying} keys retrying`
    if (cursors.waiting > 0) return `has ${cursors.waiting} keys waiting for an instance that can handle them`
    const types = state.subscriptions.map(({ pattern }) => pattern)
    let position = Math.min(...checkpoints)
    const head = await this.#store.head()
    while (position < head) {
      const page = await this.#store.readLog({ after: position, until: head, types, limit: SCAN })
      // A projection may keep its order by other keys than the events have.
      const lowest = service.startsWith(PROJECTION) ? Math.min(...checkpoints) : undefined
      const first = page.events.find((event) => event.position > (lowest ?? checkpoints[event.bucket] ?? 0))
      if (first !== undefined) return `is at position ${position} of ${head}`
      if (page.end) return undefined
      position = page.scanned
    }
    return undefined
  }

  /** Whether one of these events is not finished yet. */
  async #missing(service: string, receipt: Receipt): Promise<string | undefined> {
    const places = await this.#store.resolve(receipt.token)
    if (places === undefined) return 'cannot see the events yet'
    const state = await this.#store.groups.read(service)
    if (state.revision === 0) return 'is not recorded in the store'
    const matches = anyOf(state.subscriptions.map(({ pattern }) => parsePattern(pattern)))
    const cursors = await this.#store.groups.cursors(service)
    const { checkpoints } = await this.#store.groups.progress(service)
    for (const { bucket, type, position } of places) {
      if (!matches(type)) continue
      if ((checkpoints[bucket] ?? 0) < position) return `has not reached position ${position}`
      const behind = cursors.find(
        (cursor) => cursor.bucket === bucket && cursor.position <= position && cursor.state !== 'parked',
      )
      if (behind !== undefined) return `has key ${behind.key} ${behind.state}`
    }
    return undefined
  }
}

function assertSettledOptions(options: SettledOptions): void {
  assertOptions('settled', options)
  const { services, after } = options
  if (services !== undefined) {
    if (!Array.isArray(services)) throw invalidOption('services', 'must be an array of names', services)
    for (const name of services) assertService(name)
  }
  if (after === undefined) return
  assertObject('after', after)
  if (after.token === undefined) throw invalidOption('after', 'must be a receipt', undefined)
  assertTexts(after, ['token'])
}

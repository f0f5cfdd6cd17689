import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { type ErrorCode, HodisaError } from '../../errors.ts'
import type { AppendRequest, StoredEvent } from '../events.ts'
import type { Capabilities, LogPage, LogQuery, Store, StoreHost } from '../port.ts'

/** A place for one store: empty when it is made. */
export interface Place {
  /** A new connection to the store of this place, as another process has one. */
  connect(host: StoreHost): Promise<Store>
  /**
   * Begins a transaction of somebody else's with these events in it, and leaves it open: an outbox where the engine has one.
   */
  hold(request: AppendRequest, host: StoreHost): Promise<Held>
  /** Removes the store; every connection is closed by then. */
  dispose(): Promise<void>
}

/** An open transaction. Both ends settle when it is over. */
export interface Held {
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** The part of a test runner that the suite needs; Vitest and node:test have it. */
export interface Registrar {
  describe(name: string, body: () => void): unknown
  test(name: string, body: () => Promise<void>): unknown
}

export interface Conformance extends Registrar {
  /** Of the engine, as the report shows it. */
  readonly name: string
  /** Makes a place with an empty store. */
  readonly open: () => Promise<Place>
}

/** What a test works with. */
export interface Bench {
  readonly store: Store
  /** Another connection to the same store. */
  another(): Promise<Store>
  hold(request: AppendRequest): Promise<Held>
  /** The store's clock stands until a test moves it. */
  readonly clock: { now: number }
}

/** Registers tests that each get a fresh store. */
export type Check = (behaviour: string, body: (bench: Bench) => Promise<void>) => void

export function checks({ test, open }: Conformance): Check {
  return (behaviour, body) => {
    test(behaviour, async () => {
      const place = await open()
      const clock = { now: 1_700_000_000_000 }
      const connected: Store[] = []
      const another = async () => {
        const store = await place.connect(hostAt(clock))
        connected.push(store)
        return store
      }
      try {
        await body({ store: await another(), another, hold: (request) => place.hold(request, hostAt(clock)), clock })
      } finally {
        for (const store of connected) await store.close()
        await place.dispose()
      }
    })
  }
}

/** Wall-clock time is the test's, so that it can move it; waiting is real. */
export function hostAt(clock: { readonly now: number }): StoreHost {
  const silent = () => undefined
  return {
    clock: {
      now: () => clock.now,
      monotonic: () => performance.now(),
      after(ms, callback, background = false) {
        const timer = setTimeout(callback, ms)
        if (background) timer.unref()
        return () => clearTimeout(timer)
      },
    },
    logger: { debug: silent, info: silent, warn: silent, error: silent },
    durability: 'fsync',
  }
}

/**
 * Runs the one or the other. A capability that is missing is no reason to be silent: `without` asserts how the engine
 * differs.
 */
export async function capable(
  store: Store,
  capability: keyof Capabilities,
  { yes, no }: { readonly yes: () => Promise<void>; readonly no: () => Promise<void> },
): Promise<void> {
  await (store.capabilities[capability] ? yes() : no())
}

/** That the call rejects with a {@link HodisaError} of this code; returns it. */
export async function refused(code: ErrorCode, call: Promise<unknown>): Promise<HodisaError> {
  const outcome = await call.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  if (!('error' in outcome)) assert.fail(`expected ${code}, but the call resolved`)
  const { error } = outcome
  if (!(error instanceof HodisaError)) throw error
  assert.equal(error.code, code, error.message)
  return error
}

/** Waits until `condition` gives something other than undefined or false. */
export async function until<Value>(
  what: string,
  condition: () => Value | undefined | false | Promise<Value | undefined | false>,
  within = 10_000,
): Promise<Value> {
  const end = performance.now() + within
  for (;;) {
    const value = await condition()
    if (value !== undefined && value !== false) return value
    if (performance.now() > end) assert.fail(`waited ${within} ms in vain until ${what}`)
    await delay(2)
  }
}

/** All pages of a query, checked against what a page promises. */
export async function pagesOf(store: Store, query: LogQuery): Promise<readonly LogPage[]> {
  const pages: LogPage[] = []
  let rest = query
  for (;;) {
    const page = await store.readLog(rest)
    assert.ok(page.events.length <= query.limit, 'a page holds at most limit events')
    pages.push(page)
    if (page.end) return pages
    if (query.backwards) {
      assert.ok(page.scanned <= (rest.until ?? Number.POSITIVE_INFINITY), 'a page moves on')
      rest = { ...rest, until: page.scanned - 1 }
    } else {
      assert.ok(page.scanned > (rest.after ?? 0), 'a page moves on')
      rest = { ...rest, after: page.scanned }
    }
  }
}

/** Everything a query finds, page by page. */
export async function readAll(store: Store, query: Partial<LogQuery> = {}): Promise<readonly StoredEvent[]> {
  const pages = await pagesOf(store, { limit: 1_000, ...query })
  return pages.flatMap((page) => page.events)
}

/** The ids in the log, in log order. */
export async function idsIn(store: Store, query: Partial<LogQuery> = {}): Promise<readonly string[]> {
  return (await readAll(store, query)).map((event) => event.id)
}

/** A promise and what settles it, for tests that hold something open. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { opened: promise, open: () => resolve() }
}

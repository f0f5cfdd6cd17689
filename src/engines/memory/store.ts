import { AsyncLocalStorage } from 'node:async_hooks'
import { HodisaError } from '../../errors.ts'
import type { AppendRequest, Receipt } from '../../store/events.ts'
import type {
  Capabilities,
  DeadLetters,
  Groups,
  Hint,
  Presence,
  Store,
  StoreDescription,
  StoreHost,
  StoreTransaction,
  StoreWarning,
} from '../../store/port.ts'
import { Letters } from './dead-letters.ts'
import { GroupTable } from './groups.ts'
import { Log } from './log.ts'
import { PresenceTable } from './presence.ts'
import { positionAt, readLog, readStream, resolve } from './read.ts'
import { Turn } from './turn.ts'

const CAPABILITIES: Capabilities = Object.freeze({
  transactions: true,
  sql: false,
  multiStreamAppend: true,
  multiProcess: false,
  durable: false,
  maxEventsPerAppend: 50_000,
  maxEventBytes: 8 * 1024 * 1024,
})

const VOLATILE: StoreWarning = Object.freeze({
  code: 'memory-store',
  message: 'the log is in the memory of this process: nothing survives it',
  fix: 'Use a store on disk, such as sqlite("app.db"), for anything but tests and trials.',
})

/** What all connections to one store share. */
export class Shared {
  readonly log = new Log()
  readonly letters = new Letters()
  readonly groups = new GroupTable(this.letters)
  readonly presence = new PresenceTable()
  readonly turn = new Turn()
  readonly #listeners = new Set<(hint: Hint) => void>()

  watch(listener: (hint: Hint) => void): () => void {
    // A listener belongs to whoever watches, not to the request whose write it hears of.
    const own = AsyncLocalStorage.bind(listener)
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  /** After the write that it tells of: a listener never sees half of it. */
  tell(hint: Hint): void {
    queueMicrotask(() => {
      for (const listener of this.#listeners) listener(hint)
    })
  }
}

/** One connection. */
export class MemoryStore implements Store {
  readonly engine = 'memory'
  readonly capabilities = CAPABILITIES
  readonly presence: Presence
  readonly groups: Groups
  readonly deadLetters: DeadLetters
  readonly #shared: Shared
  readonly #host: StoreHost
  readonly #unwatch = new Set<() => void>()
  #closed = false

  constructor(shared: Shared, host: StoreHost) {
    this.#shared = shared
    this.#host = host
    this.presence = this.#presence()
    this.groups = this.#groups()
    this.deadLetters = this.#deadLetters()
  }

  describe(): Promise<StoreDescription> {
    return this.#read(() => ({ location: null, durability: 'none', warnings: [VOLATILE] }))
  }

  append(request: AppendRequest): Promise<Receipt> {
    return this.#write(() => this.#record([request]))
  }

  head(): Promise<number> {
    return this.#read(({ log }) => log.head)
  }

  positionAt(time: number): Promise<number> {
    return this.#read(({ log }) => positionAt(log, time))
  }

  oldest(): Promise<number> {
    return this.#read(({ log }) => log.events[0]?.position ?? 0)
  }

  readLog(query: Parameters<Store['readLog']>[0]) {
    return this.#read(({ log }) => readLog(log, query))
  }

  readStream(query: Parameters<Store['readStream']>[0]) {
    return this.#read(({ log }) => readStream(log, query))
  }

  streamRevision(stream: string): Promise<number> {
    return this.#read(({ log }) => log.streamRevision(stream))
  }

  byIds(ids: readonly string[]) {
    return this.#read(({ log }) => [...new Set(ids)].flatMap((id) => log.byId(id) ?? []))
  }

  resolve(token: string) {
    return this.#read(({ log }) => resolve(log, token))
  }

  transaction<Result>(work: (tx: StoreTransaction) => Promise<Result>) {
    return this.#write(async (): Promise<{ result: Result; receipt?: Receipt }> => {
      const { result, appends } = await this.#work(work)
      return appends.length === 0 ? { result } : { result, receipt: this.#record(appends) }
    })
  }

  progress(...[change, { append, work } = {}]: Parameters<Store['progress']>): Promise<Receipt | undefined> {
    return this.#write(async () => {
      const { groups } = this.#shared
      groups.assertFenced(change)
      // Nobody else writes before this turn is over: what holds here holds at commit.
      const appends = work === undefined ? [] : (await this.#work(work)).appends
      if (append !== undefined) appends.push(append)
      const receipt = appends.length === 0 ? undefined : this.#record(appends)
      groups.advance(change)
      if (change.deadLetters !== undefined) this.#shared.tell({ groups: true })
      return receipt
    })
  }

  outbox(): never {
    throw missing('outbox', 'the memory engine has no connection of yours to share')
  }

  watch(listener: (hint: Hint) => void): () => void {
    const stop = this.#shared.watch((hint) => {
      try {
        listener(hint)
      } catch (error) {
        this.#host.logger.error('a listener of the store threw', { error })
      }
    })
    this.#unwatch.add(stop)
    return () => {
      stop()
      this.#unwatch.delete(stop)
    }
  }

  expire(now: number): Promise<number> {
    return this.#write(() => this.#shared.log.expire(now))
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const stop of this.#unwatch) stop()
    this.#unwatch.clear()
    await this.#shared.turn.idle()
  }

  #record(requests: readonly AppendRequest[]): Receipt {
    const { log } = this.#shared
    const before = log.head
    const receipt = log.record(requests, CAPABILITIES, this.#host.clock.now())
    if (log.head > before) this.#shared.tell({ head: log.head })
    return receipt
  }

  /** Runs the work of a transaction, and tells what it wants to append. */
  async #work<Result>(work: (tx: StoreTransaction) => Promise<Result>) {
    const appends: AppendRequest[] = []
    let over = false
    const tx: StoreTransaction = {
      sql: () => Promise.reject(missing('sql', 'the memory engine has no SQL')),
      append(request) {
        if (over) throw new HodisaError('context-dead', 'the transaction is over and takes no more events')
        appends.push(request)
      },
    }
    try {
      return { result: await this.#shared.turn.within(async () => work(tx)), appends }
    } finally {
      over = true
    }
  }

  async #read<Result>(read: (shared: Shared) => Result): Promise<Result> {
    this.#assertOpen()
    return read(this.#shared)
  }

  async #write<Result>(write: () => Result | Promise<Result>): Promise<Result> {
    this.#assertOpen()
    return this.#shared.turn.take(write)
  }

  #assertOpen(): void {
    if (this.#closed) throw new HodisaError('store-unavailable', 'this connection to the store is closed')
  }

  #presence(): Presence {
    return {
      join: (instance) => this.#read(({ presence }) => presence.join(instance)),
      beat: (id) => this.#read(({ presence }) => presence.beat(id)),
      leave: (id, beat) => this.#read(({ presence }) => presence.leave(id, beat)),
      list: () => this.#read(({ presence }) => presence.list()),
    }
  }

  #groups(): Groups {
    return {
      list: () => this.#read(({ groups }) => groups.list()),
      read: (service) => this.#read(({ groups }) => groups.read(service)),
      revisions: () => this.#read(({ groups }) => groups.revisions()),
      update: (service, revision, change) => this.#change(() => this.#shared.groups.update(service, revision, change)),
      forget: (service, revision) => this.#change(() => this.#shared.groups.forget(service, revision)),
      progress: (service) => this.#read(({ groups }) => groups.progress(service)),
      done: (service, buckets) => this.#read(({ groups }) => groups.done(service, buckets)),
      started: (service, buckets) => this.#read(({ groups }) => groups.started(service, buckets)),
      cursors: (service, buckets) => this.#read(({ groups }) => groups.cursors(service, buckets)),
    }
  }

  #deadLetters(): DeadLetters {
    return {
      list: (query) => this.#read(({ letters }) => letters.list(query)),
      get: (id) => this.#read(({ letters }) => letters.get(id)),
      update: ({ id, expected, letter, cursor }) =>
        this.#change(() => {
          const { letters, groups } = this.#shared
          const found = letters.get(id)
          if (found?.state !== expected) return false
          if (letter === null) letters.remove(id)
          else letters.put({ ...letter, id })
          if (cursor !== null) groups.moveCursor(found.service, id, found.key, cursor)
          return true
        }),
    }
  }

  /** A change of groups or dead letters that may find itself refused. */
  #change(change: () => boolean): Promise<boolean> {
    return this.#write(() => {
      const done = change()
      if (done) this.#shared.tell({ groups: true })
      return done
    })
  }
}

function missing(capability: string, why: string): HodisaError {
  return new HodisaError('capability-missing', `${capability} is not possible here: ${why}`, {
    engine: 'memory',
    capability,
  })
}

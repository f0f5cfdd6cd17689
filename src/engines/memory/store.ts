import { HodisaError } from '../../errors.ts'
import type { Documents } from '../../store/documents.ts'
import type { AppendRequest, InlineProjection, Receipt } from '../../store/events.ts'
import { coverOf } from '../../store/inline.ts'
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
import { StagedDocuments } from './documents.ts'
import { frozen } from './frozen.ts'
import { missing } from './missing.ts'
import { positionAt, readLog, readStream, resolve } from './read.ts'
import type { Shared } from './shared.ts'
import { Transaction } from './transaction.ts'

const CAPABILITIES: Capabilities = Object.freeze({
  transactions: true,
  sql: false,
  multiStreamAppend: true,
  multiProcess: false,
  durable: false,
  maxEventsPerAppend: 50_000,
  maxEventBytes: 8 * 1024 * 1024,
  exclusiveTransactions: true,
  synchronousOutbox: false,
})

const VOLATILE: StoreWarning = Object.freeze({
  code: 'memory-store',
  message: 'the log is in the memory of this process: nothing survives it',
  fix: 'Use a store on disk, such as sqlite("app.db"), for anything but tests and trials.',
})

/** One connection. */
export class MemoryStore implements Store {
  readonly engine = 'memory'
  readonly capabilities = CAPABILITIES
  readonly presence: Presence
  readonly groups: Groups
  readonly deadLetters: DeadLetters
  readonly documents: Documents
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
    this.documents = this.#documents()
  }

  describe(): Promise<StoreDescription> {
    return this.#read(() => ({ location: null, durability: 'none', warnings: [VOLATILE] }))
  }

  append(request: AppendRequest): Promise<Receipt> {
    return this.#write(async () => {
      const transaction = this.#begin()
      await transaction.record([request])
      return transaction.commit()
    })
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
      const transaction = this.#begin()
      const { result, appends } = await transaction.run(work)
      await transaction.record(appends)
      const receipt = transaction.commit()
      return appends.length === 0 ? { result } : { result, receipt }
    })
  }

  progress(...[change, { append, documents = [], work } = {}]: Parameters<Store['progress']>) {
    return this.#write(async (): Promise<Receipt | undefined> => {
      const { groups } = this.#shared
      groups.assertFenced(change)
      // Nobody else writes before this turn is over: what holds here holds at commit.
      const transaction = this.#begin()
      const appends = work === undefined ? [] : (await transaction.run(work)).appends
      if (append !== undefined) appends.push(append)
      await transaction.record(appends)
      transaction.documents.write(documents)
      const receipt = transaction.commit()
      groups.advance(change)
      if (change.deadLetters !== undefined) this.#shared.tell({ groups: true })
      return appends.length === 0 ? undefined : receipt
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

  inline(projection: InlineProjection): Promise<void> {
    return this.#write(() => {
      const { inlines } = this.#shared
      const cover = coverOf(projection)
      if (projection.types.length === 0) inlines.delete(projection.name)
      else inlines.set(projection.name, { ...cover, projection: frozen(projection) })
    })
  }

  inlines(): Promise<readonly InlineProjection[]> {
    return this.#read(({ inlines }) =>
      [...inlines.keys()].sort().flatMap((name) => inlines.get(name)?.projection ?? []),
    )
  }

  expire(now: number): Promise<number> {
    return this.#write(() => this.#shared.log.expire(now) + this.#shared.documents.expire(now))
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const stop of this.#unwatch) stop()
    this.#unwatch.clear()
    await this.#shared.turn.idle()
  }

  #begin(): Transaction {
    return new Transaction(this.#shared, CAPABILITIES, this.#host.clock.now())
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

  #documents(): Documents {
    return {
      define: (collection) => this.#write(() => this.#shared.documents.define(collection)),
      drop: (name) => this.#write(() => this.#shared.documents.drop(name)),
      list: () => this.#read(({ documents }) => documents.list()),
      get: (collection, ids) => this.#read(({ documents }) => documents.get(collection, ids)),
      find: (collection, query) => this.#read(({ documents }) => documents.find(collection, query)),
      count: (collection, where) => this.#read(({ documents }) => documents.count(collection, where)),
      write: (writes) =>
        this.#write(() => {
          const staged = new StagedDocuments(this.#shared.documents)
          staged.write(writes)
          staged.commit()
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

import { AsyncLocalStorage } from 'node:async_hooks'
import type { Documents } from '../../store/documents.ts'
import type { AppendRequest, InlineProjection, Receipt, StoredEvent } from '../../store/events.ts'
import type { Progress } from '../../store/groups.ts'
import type {
  Capabilities,
  DeadLetters,
  Groups,
  Hint,
  LogPage,
  LogQuery,
  Presence,
  Store,
  StoreDescription,
  StoreHost,
  StoreTransaction,
  StreamQuery,
} from '../../store/port.ts'
import type { Transfer } from '../../store/transfer.ts'
import { LogWriter, receiptOf, type Written } from './append.ts'
import type { Connection, Patience } from './connection.ts'
import { SqliteDeadLetters } from './dead-letters.ts'
import { SqliteDocuments, sizeOfDocuments } from './documents.ts'
import { Expiry } from './expiry.ts'
import { placeWarnings } from './file-system.ts'
import { GroupWriter } from './group-writer.ts'
import { SqliteGroups } from './groups.ts'
import { Inlines } from './inlines.ts'
import { LogReader } from './log-reader.ts'
import { Outboxes } from './outbox.ts'
import { SqlitePresence } from './presence.ts'
import { ProgressWriter } from './progress.ts'
import { Reader } from './reader.ts'
import { Signals } from './signals.ts'
import { SqlRunner } from './sql-tag.ts'
import { decodeToken } from './token.ts'
import { runInline, runWork, type Tools } from './transaction.ts'
import { SqliteTransfer } from './transfer.ts'
import { Watcher } from './watch.ts'
import { type Effects, Writer } from './writer.ts'

const CAPABILITIES: Capabilities = {
  transactions: true,
  sql: true,
  multiStreamAppend: true,
  multiProcess: true,
  durable: true,
  maxEventsPerAppend: 50_000,
  maxEventBytes: 8 * 1024 * 1024,
  exclusiveTransactions: true,
  synchronousOutbox: true,
}

/** A store in a SQLite file: one writing and one reading connection. */
export class SqliteStore implements Store {
  readonly engine = 'sqlite'
  readonly capabilities = CAPABILITIES
  readonly presence: Presence
  readonly groups: Groups
  readonly deadLetters: DeadLetters
  readonly documents: Documents
  readonly transfer: Transfer
  readonly #connection: Connection
  readonly #reading: Connection
  readonly #writer: Writer
  readonly #reader: Reader
  readonly #log: LogWriter
  readonly #reads: LogReader
  readonly #progress: ProgressWriter
  readonly #signals: Signals
  readonly #tools: Tools
  readonly #inlines: Inlines
  readonly #watcher: Watcher
  readonly #outboxes: Outboxes
  readonly #expiry: Expiry
  readonly #file: string
  readonly #durability: StoreHost['durability']
  #closed: Promise<void> | undefined

  constructor(connection: Connection, reading: Connection, host: StoreHost, patience: Patience) {
    this.#file = patience.file
    this.#durability = host.durability
    this.#connection = connection
    this.#reading = reading
    this.#log = new LogWriter(connection, CAPABILITIES)
    this.#watcher = new Watcher(reading, host)
    this.#writer = new Writer(connection, patience, {
      begun: (othersWrote) => this.#log.begin(host.clock.now(), othersWrote),
      rolledBack: () => this.#log.forget(),
      committed: (effects) => this.#watcher.committed(effects),
    })
    this.#reader = new Reader(reading, patience)
    this.#reads = new LogReader(reading)
    this.#progress = new ProgressWriter(connection)
    this.#signals = new Signals(connection)
    const { documents } = this.#log
    this.#tools = { connection, documents, file: patience.file, sql: new SqlRunner(connection, patience.file) }
    this.#inlines = new Inlines(reading)
    this.#outboxes = new Outboxes(patience.file, host, CAPABILITIES)
    this.#expiry = new Expiry(connection, documents)
    this.presence = new SqlitePresence(connection, this.#writer, this.#reader)
    this.groups = new SqliteGroups(this.#writer, this.#reader, new GroupWriter(connection, this.#signals))
    this.documents = new SqliteDocuments(connection, this.#writer, this.#reader, documents)
    this.deadLetters = new SqliteDeadLetters(connection, this.#writer, this.#reader, this.#signals)
    this.transfer = new SqliteTransfer(connection, this.#writer, this.#reader, () => this.#log.forget())
  }

  async describe(): Promise<StoreDescription> {
    return { location: this.#file, durability: this.#durability, warnings: await placeWarnings(this.#file) }
  }

  append(request: AppendRequest): Promise<Receipt> {
    if (request.inline !== undefined) {
      const inContext = AsyncLocalStorage.snapshot()
      return this.#writer.submitWork(1, async (effects) => receiptOf(await this.#record([request], effects, inContext)))
    }
    return this.#writer.submit(1, sizeOf(request), (effects) => {
      const written = this.#log.write(this.#log.plan(request))
      noteHead(effects, written)
      return receiptOf([written])
    })
  }

  head(): Promise<number> {
    return this.#reader.read(() => this.#reads.head())
  }

  positionAt(time: number): Promise<number> {
    return this.#reader.readTogether(() => this.#reads.positionAt(time))
  }

  oldest(): Promise<number> {
    return this.#reader.read(() => this.#reads.oldest())
  }

  readLog(query: LogQuery): Promise<LogPage> {
    return this.#reader.readTogether(() => this.#reads.readLog(query))
  }

  readStream(query: StreamQuery): Promise<readonly StoredEvent[]> {
    return this.#reader.readTogether(() => this.#reads.readStream(query))
  }

  streamRevision(stream: string): Promise<number> {
    return this.#reader.read(() => this.#reads.streamRevision(stream))
  }

  byIds(ids: readonly string[]): Promise<readonly StoredEvent[]> {
    return this.#reader.read(() => this.#reads.byIds(ids))
  }

  resolve(token: string): Promise<readonly { bucket: number; type: string; position: number }[] | undefined> {
    return this.#reader.readTogether(() => this.#reads.resolve(decodeToken(token)))
  }

  transaction<Result>(work: (tx: StoreTransaction) => Promise<Result>): Promise<{ result: Result; receipt?: Receipt }> {
    const inContext = AsyncLocalStorage.snapshot()
    return this.#writer.submitWork(2, async (effects) => {
      const { result, requests } = await inContext(() => runWork(work, this.#tools))
      const writes = await this.#record(requests, effects, inContext)
      return writes.length === 0 ? { result } : { result, receipt: receiptOf(writes) }
    })
  }

  progress(
    change: Progress,
    options: NonNullable<Parameters<Store['progress']>[1]> = {},
  ): Promise<Receipt | undefined> {
    const { append, documents = [], work } = options
    if (work === undefined && append?.inline === undefined) {
      const size = sizeOfDocuments(documents) + (append === undefined ? 0 : sizeOf(append))
      return this.#writer.submit(2, size, (effects) => {
        this.#progress.check(change)
        this.#log.documents.check(documents)
        const prepared = append === undefined ? undefined : this.#log.plan(append)
        this.#writeProgress(change, effects)
        const written = prepared === undefined ? undefined : this.#log.write(prepared)
        this.#log.documents.write(documents)
        if (written === undefined) return undefined
        noteHead(effects, written)
        return receiptOf([written])
      })
    }
    const inContext = AsyncLocalStorage.snapshot()
    return this.#writer.submitWork(2, async (effects) => {
      this.#progress.check(change)
      const requests = work === undefined ? [] : (await inContext(() => runWork(work, this.#tools))).requests
      const all = append === undefined ? requests : [...requests, append]
      const writes = await this.#record(all, effects, inContext)
      this.#log.documents.check(documents)
      this.#log.documents.write(documents)
      this.#writeProgress(change, effects)
      return writes.length === 0 ? undefined : receiptOf(writes)
    })
  }

  outbox(connection: unknown): { append(request: AppendRequest): Receipt } {
    return this.#outboxes.of(connection)
  }

  watch(listener: (hint: Hint) => void): () => void {
    return this.#closed === undefined ? this.#watcher.watch(listener) : () => {}
  }

  inline(projection: InlineProjection): Promise<void> {
    return this.#writer.submit(3, 0, () => this.#log.inlines.set(projection))
  }

  inlines(): Promise<readonly InlineProjection[]> {
    return this.#reader.read(() => this.#inlines.list())
  }

  async expire(now: number): Promise<number> {
    let removed = 0
    for (;;) {
      const changes = await this.#writer.submit(3, 0, () => this.#expiry.remove(now))
      removed += changes
      if (changes < Expiry.atOnce) return removed
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await this.#writer.close()
    this.#watcher.stop()
    this.#reading.close()
    this.#connection.close()
  }

  /** Each request sees what those before it wrote. */
  async #record(
    requests: readonly AppendRequest[],
    effects: Effects,
    inContext: <Result>(work: () => Result) => Result,
  ): Promise<readonly Written[]> {
    const writes: Written[] = []
    for (const request of requests) {
      const prepared = this.#log.plan(request)
      const { inline } = request
      const { fresh } = prepared.plan
      if (inline !== undefined && fresh.length > 0) {
        await inContext(() => runInline((tx) => inline.run(fresh, tx), this.#tools))
      }
      const written = this.#log.write(prepared)
      noteHead(effects, written)
      writes.push(written)
    }
    return writes
  }

  #writeProgress(change: Progress, effects: Effects): void {
    if (this.#progress.write(change)) effects.groups = Math.max(effects.groups, this.#signals.raise())
  }
}

function noteHead(effects: Effects, { head }: Written): void {
  if (head > effects.head) effects.head = head
}

/** Near enough, and cheap: UTF-16 units. */
function sizeOf({ events, documents }: AppendRequest): number {
  let size = sizeOfDocuments(documents)
  for (const { data, metadata } of events) size += data.length + (metadata?.length ?? 0)
  return size
}

import type { Documents, DocumentWrite } from '../../store/documents.ts'
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
import { Appender } from './appender.ts'
import { CarefulAppend } from './careful-append.ts'
import type { Database, Session } from './database.ts'
import { PostgresDeadLetters } from './dead-letters.ts'
import { describeServer } from './describe.ts'
import { PostgresDocuments } from './documents.ts'
import { Expiry } from './expiry.ts'
import { PostgresGroups } from './groups.ts'
import { Held } from './held.ts'
import { History, type Lost } from './history.ts'
import type { Inlines } from './inlines.ts'
import { LogReader } from './log-reader.ts'
import { asConnection, Outbox } from './outbox.ts'
import { PostgresPresence } from './presence.ts'
import { ProgressWriter } from './progress.ts'
import { Sequencer, type Tick } from './sequencer.ts'
import { StreamHeads, streamName } from './stream-heads.ts'
import { decodeToken } from './token.ts'
import { Transactions } from './transactions.ts'
import { PostgresTransfer } from './transfer.ts'
import { Watcher } from './watcher.ts'

const CAPABILITIES: Capabilities = {
  transactions: true,
  sql: true,
  multiStreamAppend: true,
  multiProcess: true,
  durable: true,
  maxEventsPerAppend: 50_000,
  maxEventBytes: 8 * 1024 * 1024,
  exclusiveTransactions: false,
  synchronousOutbox: false,
}

/** Ms of an answer; of a beat less than half a lease, so that a second one on a new connection is in time. */
const [LONGEST_TICK, LONGEST_BEAT] = [15_000, 2_500]

export interface StoreSetup {
  readonly database: Database
  readonly host: StoreHost
  readonly schema: string
  /** Tells this store from others. */
  readonly identity: string
  readonly inlines: Inlines
  /** Transactions of the user's that may run at a time. */
  readonly mostTransactions: number
}

/** A store in a schema of a PostgreSQL database. */
export class PostgresStore implements Store {
  readonly engine = 'postgres'
  readonly capabilities = CAPABILITIES
  readonly presence: Presence
  readonly groups: Groups
  readonly deadLetters: DeadLetters
  readonly documents: Documents
  readonly transfer: Transfer
  readonly #setup: StoreSetup
  readonly #database: Database
  readonly #durable: boolean
  readonly #heads = new StreamHeads()
  readonly #appender: Appender
  readonly #careful: CarefulAppend
  readonly #progress: ProgressWriter
  readonly #reads: LogReader
  readonly #documents: PostgresDocuments
  readonly #history: History
  readonly #sequencer: Sequencer
  readonly #ticks: Held
  readonly #control: Held
  readonly #watcher: Watcher
  readonly #transactions: Transactions
  readonly #expiry: Expiry
  /** The highest position that was ever seen. */
  #highest = 0
  #lostBehind: Lost | undefined
  #timeline = 0
  #closed: Promise<void> | undefined

  constructor(setup: StoreSetup) {
    const { database, host, schema, inlines, mostTransactions } = setup
    const { clock, logger } = host
    this.#setup = setup
    this.#database = database
    this.#durable = host.durability === 'fsync'
    this.#history = new History(database, (lost) => this.#fellBehind(lost))
    this.#ticks = new Held(database, LONGEST_TICK, {
      async connected(session) {
        const [row] = await session.query<[boolean]>('select hodisa.recognise_cluster()')
        if (row?.[0] === true)
          logger.warn('the store was restored into another cluster: its log goes on where it ended')
      },
    })
    this.#sequencer = new Sequencer(this.#ticks, {
      clock,
      durable: this.#durable,
      ticked: (tick) => this.#ticked(tick),
      failed: (error) => {
        if (this.#closed === undefined)
          logger.warn('events could not be given their place yet', { error: String(error) })
      },
    })
    this.#watcher = new Watcher(host, {
      channel: schema,
      sequencer: this.#sequencer,
      database,
      heard: (tick) => {
        this.#history.heard(tick)
        this.#highest = Math.max(this.#highest, tick.head)
      },
    })
    this.#control = new Held(database, LONGEST_BEAT, this.#watcher)
    this.#appender = new Appender(database, this.#heads, inlines, {
      limits: CAPABILITIES,
      durable: this.#durable,
      timeline: () => this.#timeline,
      committed: () => this.#sequencer.soon(),
      alone: (request) => this.#transactions.appendAlone(request),
    })
    this.#careful = new CarefulAppend(inlines, CAPABILITIES, database.patience, () => this.#timeline)
    this.#progress = new ProgressWriter(this.#durable, () => this.#history.unsure)
    this.#reads = new LogReader(database)
    this.#expiry = new Expiry(database)
    this.#documents = new PostgresDocuments(database, this.#durable)
    this.documents = this.#documents
    this.#transactions = new Transactions({
      database,
      documents: this.#documents,
      careful: this.#careful,
      durable: this.#durable,
      most: mostTransactions,
      wrote: (streams) => this.#forget(streams),
      committed: () => this.#sequencer.soon(),
    })
    this.presence = new PostgresPresence(this.#control, this.#history.instances)
    this.groups = new PostgresGroups(database, this.#durable)
    this.transfer = new PostgresTransfer(
      database,
      () => this.#sequencer.fresh(),
      () => this.#heads.clear(),
    )
    this.deadLetters = new PostgresDeadLetters(database, this.#durable)
  }

  get timeline(): number {
    return this.#timeline
  }

  describe(): Promise<StoreDescription> {
    return describeServer(this.#database, this.#setup.host.durability, {
      listening: this.#watcher.listening,
      behind: this.#lostBehind,
    })
  }

  append(request: AppendRequest): Promise<Receipt> {
    return this.#appender.append(request)
  }

  async head(): Promise<number> {
    return this.#sequencer.fresh()
  }

  async positionAt(time: number): Promise<number> {
    await this.#sequencer.fresh()
    return this.#reads.positionAt(time)
  }

  async oldest(): Promise<number> {
    await this.#sequencer.fresh()
    return this.#reads.oldest()
  }

  async readLog(query: LogQuery): Promise<LogPage> {
    const known = this.#highest
    // What is placed is read at once; only who comes to its end asks whether there is more.
    if (query.backwards !== true && query.until === undefined && (query.after ?? 0) < known) {
      const page = await this.#reads.readLog(query, known)
      if (!page.end) return page
      const head = await this.#sequencer.fresh()
      return head === known ? page : this.#reads.readLog(query, head)
    }
    return this.#reads.readLog(query, await this.#sequencer.fresh())
  }

  async readStream(query: StreamQuery): Promise<readonly StoredEvent[]> {
    let read = await this.#reads.readStream(query)
    if (read.unplaced) {
      await this.#sequencer.fresh()
      read = await this.#reads.readStream(query)
    }
    const last = query.backwards === true ? read.events[0] : read.events.at(-1)
    if (last?.revision !== undefined && last.revision !== null && query.recordedUntil === undefined) {
      const { revision, timestamp, tenant } = last
      this.#heads.guess(streamName(query.stream, tenant ?? ''), { revision, timestamp })
    }
    return read.events
  }

  streamRevision(stream: string): Promise<number> {
    return this.#reads.streamRevision(stream)
  }

  async byIds(ids: readonly string[]): Promise<readonly StoredEvent[]> {
    const read = await this.#reads.byIds(ids)
    if (!read.unplaced) return read.events
    await this.#sequencer.fresh()
    return (await this.#reads.byIds(ids)).events
  }

  async resolve(token: string): Promise<readonly { bucket: number; type: string; position: number }[] | undefined> {
    const ranges = decodeToken(token)
    const found = await this.#reads.resolve(ranges)
    if (found !== undefined) return found
    await this.#sequencer.fresh()
    return this.#reads.resolve(ranges)
  }

  transaction<Result>(work: (tx: StoreTransaction) => Promise<Result>): Promise<{ result: Result; receipt?: Receipt }> {
    const transactions = this.#transactions
    return transactions.run(async (session) => {
      const { result, requests } = await transactions.work(session, work)
      if (requests.length === 0) return { result }
      return { result, receipt: await transactions.append(session, requests) }
    })
  }

  async progress(
    change: Progress,
    options: {
      append?: AppendRequest
      documents?: readonly DocumentWrite[]
      work?: (tx: StoreTransaction) => Promise<void>
    } = {},
  ): Promise<Receipt | undefined> {
    const { append, documents = [], work } = options
    if (append === undefined && work === undefined && documents.length === 0) {
      await this.#progress.writeAlone(this.#database, change)
      return undefined
    }
    const transactions = this.#transactions
    const effect = async (session: Session) => {
      const requests = work === undefined ? [] : (await transactions.work(session, work)).requests
      if (append !== undefined) requests.push(append)
      const receipt = requests.length === 0 ? undefined : await transactions.append(session, requests)
      if (documents.length > 0) await this.#documents.on(session).write(documents)
      return receipt
    }
    const opening = this.#progress.checking(change)
    return this.#progress.closing(change, (ends) => transactions.run(effect, { opening, ...ends }))
  }

  outbox(connection: unknown): { append(request: AppendRequest): Promise<Receipt> } {
    return new Outbox(asConnection(connection), this.#careful, {
      database: this.#database,
      store: this.#setup.identity,
      documents: (session) => this.#documents.on(session),
      appended: (streams) => {
        this.#forget(streams)
        this.#sequencer.search()
      },
    })
  }

  watch(listener: (hint: Hint) => void): () => void {
    return this.#closed === undefined ? this.#watcher.watch(listener, this.#control) : () => {}
  }

  async inline(projection: InlineProjection): Promise<void> {
    await this.#setup.inlines.set(projection)
  }

  inlines(): Promise<readonly InlineProjection[]> {
    return this.#setup.inlines.refresh()
  }

  expire(now: number): Promise<number> {
    return this.#expiry.remove(now)
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#transactions.stop()
    await this.#appender.close()
    await this.#transactions.idle()
    this.#sequencer.stop()
    this.#watcher.stop()
    await this.#sequencer.settled()
    await this.#ticks.close()
    await this.#control.close()
    await this.#database.close()
  }

  /** Somebody else wrote to these streams. */
  #forget(streams: Iterable<string>): void {
    for (const name of streams) this.#heads.forget(name)
  }

  #ticked(tick: Tick): void {
    this.#history.saw(tick)
    this.#highest = Math.max(this.#highest, tick.head)
    this.#watcher.ticked(tick.head)
  }

  /** The server is one that has lost its last transactions: what this process knows of them is of no use any more. */
  #fellBehind(lost: Lost): void {
    this.#lostBehind = lost
    this.#timeline += 1
    this.#highest = lost.head
    this.#heads.clear()
    this.#watcher.fellBehind(lost.head)
    this.#setup.host.logger.error('the store has lost events that it acknowledged, as after a failover', {
      code: 'store-behind',
      ...lost,
    })
  }
}

/*
 * Emmett at work: `node emmett-process.ts <engine> <file or URL> <task>`, started by emmett.ts, which gets the figures as a message.
 */
import type { EmmettTask } from './emmett.ts'
import { now, paced, rate } from './measure.ts'
import { evolve, NOTHING, type Order, order, streamOf, TYPE } from './sample.ts'

/** As much of Emmett's stores as is measured. */
interface EmmettStore {
  appendToStream(stream: string, events: readonly EmmettEvent[]): Promise<unknown>
  aggregateStream<State>(
    stream: string,
    options: { evolve(state: State, event: EmmettEvent): State; initialState(): State },
  ): Promise<{ state: State }>
  consumer(options: { pulling: { batchSize: number; pullingFrequencyInMs: number } }): EmmettConsumer
  schema: { migrate(): Promise<void> }
}

interface ProcessorOptions {
  processorId: string
  startFrom: 'CURRENT'
  eachMessage(event: EmmettEvent): void | Promise<void>
  stopAfter?(event: EmmettEvent): boolean
}

interface EmmettConsumer {
  /** Its name in the SQLite store. */
  processor?(options: ProcessorOptions): unknown
  /** Its name in the PostgreSQL store. */
  reactor?(options: ProcessorOptions): unknown
  start(): Promise<void>
  close(): Promise<void>
}

interface EmmettEvent {
  readonly type: string
  readonly data: unknown
}

interface SqliteModule {
  getSQLiteEventStore(options: { fileName: string }): EmmettStore
}

interface PostgresModule {
  getPostgreSQLEventStore(url: string): EmmettStore
}

/** Events of one write while a log is filled, and of a consumer's page. */
const BATCH = 500

const [, , engine = '', location = '', text = ''] = process.argv
const store = engine === 'sqlite' ? await sqliteStore() : await postgresStore()
await store.schema.migrate()
process.send?.(await run(JSON.parse(text)), () => process.exit())

async function sqliteStore(): Promise<EmmettStore> {
  const peer = '@event-driven-io/emmett-sqlite' // not a literal type: the type check does without it
  const { getSQLiteEventStore }: SqliteModule = await import(peer)
  return getSQLiteEventStore({ fileName: location })
}

async function postgresStore(): Promise<EmmettStore> {
  const peer = '@event-driven-io/emmett-postgresql' // as above
  const { getPostgreSQLEventStore }: PostgresModule = await import(peer)
  return getPostgreSQLEventStore(location)
}

function run(task: EmmettTask): Promise<number[]> {
  switch (task.what) {
    case 'append':
      return append(task)
    case 'deliver':
      return deliver(task)
    case 'latency':
      return latency(task)
    case 'rebuild':
      return rebuild(task)
  }
}

/** For so long as was asked, rather than so many: nobody knows how many. */
async function append({ callers, ms }: { callers: number; ms: number }): Promise<number[]> {
  const start = performance.now()
  let [begun, recorded] = [0, 0]
  const caller = async () => {
    while (performance.now() < start + ms) {
      const data = order(begun++) // callers write to streams of their own, as those of the others do
      await store.appendToStream(streamOf(data), [{ type: TYPE, data }])
      recorded++
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return [recorded / ((performance.now() - start) / 1_000)]
}

async function deliver({ events }: { events: number }): Promise<number[]> {
  await fill('order-one', events)
  let handled = 0
  const consumer = consumes(
    () => void handled++,
    () => handled === events,
  )
  const reached = await rate(events, () => consumer.start())
  await consumer.close()
  return [reached]
}

async function latency({ events, perSecond }: { events: number; perSecond: number }): Promise<number[]> {
  const times: number[] = []
  const consumed = consumes(
    ({ data }) => void times.push(now() - (data as { sentAt: number }).sentAt),
    () => times.length === events,
  ).start()
  let last: Promise<unknown> = Promise.resolve()
  await paced(perSecond, events, (index) => {
    const data = { ...order(index), sentAt: now() }
    // One after the other: it refuses callers at the same time.
    last = last.then(() => store.appendToStream(streamOf(data), [{ type: TYPE, data }]))
  })
  await Promise.all([last, consumed])
  if (times.length < events) throw new Error(`its consumer ended after ${times.length} of ${events} events`)
  return times
}

async function rebuild({ events, times }: { events: number; times: number }): Promise<number[]> {
  await fill('order-one', events)
  const fold = () =>
    store.aggregateStream('order-one', {
      initialState: () => NOTHING,
      evolve: (state, event) => evolve(state, event.data as Order),
    })
  return [
    await rate(events * times, async () => {
      for (let time = 0; time < times; time++) await fold()
    }),
  ]
}

async function fill(stream: string, events: number): Promise<void> {
  for (let from = 0; from < events; from += BATCH) {
    const batch = Array.from({ length: BATCH }, (_, index) => ({ type: TYPE, data: order(from + index) }))
    await store.appendToStream(stream, batch)
  }
}

function consumes(eachMessage: (event: EmmettEvent) => void, stopAfter: () => boolean): EmmettConsumer {
  const consumer = store.consumer({ pulling: { batchSize: BATCH, pullingFrequencyInMs: 1 } })
  const options: ProcessorOptions = { processorId: 'bench', startFrom: 'CURRENT', eachMessage, stopAfter }
  if (consumer.processor === undefined) consumer.reactor?.(options)
  else consumer.processor(options)
  return consumer
}

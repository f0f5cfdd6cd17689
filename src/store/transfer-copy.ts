import { randomUUID } from 'node:crypto'
import { HodisaError } from '../errors.ts'
import type { Clock, Store } from './port.ts'
import type { Transfer, TransferTable } from './transfer.ts'
import { COPY_COLLECTION, forEachDocument, forEachRow, isOwn } from './transfer-pages.ts'
import { compareStores } from './transfer-verify.ts'

/** What is being done, and how far it is. */
export interface CopyProgress {
  readonly phase: 'events' | 'streams' | 'ids' | 'services' | 'documents' | 'verify'
  /** Of events and of the verification: positions; else rows. */
  readonly done: number
  /** Undefined where nobody knows. */
  readonly total: number | undefined
}

export interface CopyResult {
  /** The last position of both. */
  readonly position: number
  /** Events that are there; expired ones are not. */
  readonly events: number
  readonly streams: number
  readonly services: number
  readonly documents: number
  readonly deadLetters: number
  /** Whether an earlier copy had been begun. */
  readonly resumed: boolean
  /** SHA-256 over all events, the same on both sides. */
  readonly hash: string
}

export interface CopyWork {
  readonly source: Store
  readonly target: Store
  readonly clock: Clock
  /** Copies although processes have the source open. */
  readonly force: boolean
  readonly signal: AbortSignal | undefined
  readonly onProgress: (progress: CopyProgress) => void
}

const PAGE = 2_000
/** Ms after which a process that lives has shown it. */
const BEAT = 3_500
const SOURCE = 'source'
const SELF = 'self'

/** Whose copy a store is. */
interface Mark {
  readonly of: string
  readonly finished: boolean
}

/**
 * Copies all of a store into an empty one, position by position, or goes on with such a copy. Events that are there stay; all else
 * is taken anew, because it may have changed since.
 *
 * @throws {HodisaError} `copy-refused`, `copy-differs`, `capability-missing`, and what `signal` was aborted with
 */
export async function copyAll(work: CopyWork): Promise<CopyResult> {
  const { source, target, signal, onProgress } = work
  const [from, to] = [transferOf(source), transferOf(target)]
  if (!work.force) await assertAtRest(work)
  const resumed = await begin(work)
  const last = await from.last()
  await copyEvents(work, to, last)
  const streams = await copyTable(work, from, to, 'streams', 'streams')
  await copyTable(work, from, to, 'givenIds', 'ids')
  const { services, deadLetters } = await copyServices(work, from, to)
  const documents = await copyDocuments(work, from)
  for (const inline of await source.inlines()) await target.inline(inline)
  const { events, hash } = await compareStores(
    { source, target, from, to },
    { signal, onProgress: (done) => onProgress({ phase: 'verify', done, total: last }) },
  )
  await target.documents.write([markOf({ of: await identityOf(source), finished: true })])
  return { position: last, events, streams, services, documents, deadLetters, resumed, hash }
}

function transferOf({ engine, transfer }: Store): Transfer {
  if (transfer !== undefined) return transfer
  throw new HodisaError('capability-missing', `a store of the engine ${engine} is not copied`, { capability: 'copy' })
}

async function assertAtRest({ source, clock, signal }: CopyWork): Promise<void> {
  const { presence } = source
  if ((await presence.list()).length === 0) return
  const { beats: before } = await presence.beat('')
  await new Promise<void>((resume) => clock.after(BEAT, resume))
  signal?.throwIfAborted()
  const { beats: after } = await presence.beat('')
  const alive = (await presence.list()).filter(({ id }) => after.get(id) !== before.get(id))
  if (alive.length === 0) return
  const shown = alive.map(({ source, host, pid }) => `${source} (${host}, process ${pid})`).join(', ')
  throw new HodisaError('copy-refused', `the store is in use by ${shown}`, { alive: alive.length })
}

/** Marks the target as a copy of the source; tells whether it was one before. */
async function begin({ source, target }: CopyWork): Promise<boolean> {
  const of = await identityOf(source)
  if ((await identityIn(target)) === of) throw new HodisaError('copy-refused', 'both are the same store')
  const mark = await markIn(target)
  if (mark?.of === of && !mark.finished) return true
  if (mark !== undefined) {
    const text =
      mark.of === of ? 'the target is a finished copy of this store' : 'the target is a copy of another store'
    throw new HodisaError('copy-refused', text)
  }
  if (!(await isEmpty(target))) throw new HodisaError('copy-refused', 'there is something in the target')
  await target.documents.define({ name: COPY_COLLECTION, indexes: [] })
  await target.documents.write([markOf({ of, finished: false })])
  return false
}

async function isEmpty(store: Store): Promise<boolean> {
  const [last, services, collections, inlines] = await Promise.all([
    transferOf(store).last(),
    store.groups.list(),
    store.documents.list(),
    store.inlines(),
  ])
  return last === 0 && services.length === 0 && collections.every(isOwn) && inlines.length === 0
}

/** What tells the store from others, from its first copy on. */
async function identityOf(store: Store): Promise<string> {
  const known = await identityIn(store)
  if (known !== undefined) return known
  await store.documents.define({ name: COPY_COLLECTION, indexes: [] })
  const id = randomUUID()
  await store.documents.write([{ collection: COPY_COLLECTION, id: SELF, data: JSON.stringify({ id }) }])
  return id
}

async function identityIn(store: Store): Promise<string | undefined> {
  const text = await ownDocument(store, SELF)
  return text === undefined ? undefined : (JSON.parse(text) as { id: string }).id
}

async function markIn(store: Store): Promise<Mark | undefined> {
  const text = await ownDocument(store, SOURCE)
  return text === undefined ? undefined : (JSON.parse(text) as Mark)
}

function markOf(mark: Mark) {
  return { collection: COPY_COLLECTION, id: SOURCE, data: JSON.stringify(mark) }
}

async function ownDocument({ documents }: Store, id: string): Promise<string | undefined> {
  if (!(await documents.list()).some(isOwn)) return undefined
  return (await documents.get(COPY_COLLECTION, [id])).get(id)
}

async function copyEvents(work: CopyWork, to: Transfer, last: number): Promise<void> {
  const { source, signal, onProgress } = work
  for (let after = await to.last(); after < last; ) {
    signal?.throwIfAborted()
    const { events, scanned, end } = await source.readLog({ after, until: last, limit: PAGE })
    const until = end ? last : scanned
    await to.putEvents(after, events, until)
    after = until
    onProgress({ phase: 'events', done: after, total: last })
  }
}

async function copyTable(
  { signal, onProgress }: CopyWork,
  from: Transfer,
  to: Transfer,
  table: TransferTable,
  phase: CopyProgress['phase'],
): Promise<number> {
  let done = 0
  await forEachRow(from, table, async (rows) => {
    signal?.throwIfAborted()
    await to.put(table, rows)
    done += rows.length
    onProgress({ phase, done, total: undefined })
  })
  return done
}

/** Without members and owners: what runs on the new store comes in line anew. Marks of owners stand in the checkpoints. */
async function copyServices(work: CopyWork, from: Transfer, to: Transfer) {
  const { source, target } = work
  for (const service of await target.groups.list()) {
    await target.groups.forget(service, (await target.groups.read(service)).revision)
  }
  const services = await source.groups.list()
  for (const service of services) {
    const { paused, subscriptions, breakers, leases } = await source.groups.read(service)
    await target.groups.update(service, 0, {
      ...{ paused, subscriptions, breakers },
      leases: leases.map((lease) => ({ ...lease, owner: null })),
    })
  }
  for (const table of ['done', 'started', 'cursors', 'deadLetters'] as const) await to.clear(table)
  for (const table of ['done', 'started', 'cursors'] as const) await copyTable(work, from, to, table, 'services')
  const deadLetters = await copyTable(work, from, to, 'deadLetters', 'services')
  return { services: services.length, deadLetters }
}

async function copyDocuments({ source, target, signal, onProgress }: CopyWork, from: Transfer): Promise<number> {
  for (const { name } of (await target.documents.list()).filter((one) => !isOwn(one))) await target.documents.drop(name)
  let done = 0
  for (const collection of (await source.documents.list()).filter((one) => !isOwn(one))) {
    await target.documents.define(collection)
    await forEachDocument(from, collection.name, async (documents) => {
      signal?.throwIfAborted()
      await target.documents.write(documents)
      done += documents.length
      onProgress({ phase: 'documents', done, total: undefined })
    })
  }
  return done
}

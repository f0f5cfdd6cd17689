import { createHash } from 'node:crypto'
import { HodisaError } from '../errors.ts'
import type { StoredEvent } from './events.ts'
import type { Store } from './port.ts'
import type { Transfer, TransferTable } from './transfer.ts'
import { forEachDocument, forEachRow, isOwn } from './transfer-pages.ts'

interface Both {
  readonly source: Store
  readonly target: Store
  readonly from: Transfer
  readonly to: Transfer
}

interface Watching {
  readonly signal: AbortSignal | undefined
  readonly onProgress: (position: number) => void
}

/** Of many things: how many, and what tells them from others. */
interface Sum {
  readonly count: number
  readonly hash: string
}

const PAGE = 2_000
const TABLES: readonly TransferTable[] = ['streams', 'givenIds', 'done', 'started', 'cursors', 'deadLetters']

/**
 * Reads all of both stores, and holds them against each other.
 *
 * @throws {HodisaError} `copy-differs`
 */
export async function compareStores(both: Both, watching: Watching): Promise<{ events: number; hash: string }> {
  const { source, target, from, to } = both
  const [last, copied] = await Promise.all([from.last(), to.last()])
  assertSame('last position', { count: last, hash: '' }, { count: copied, hash: '' })
  const quietly = { ...watching, onProgress: () => undefined }
  const [events, others] = await Promise.all([sumOfEvents(source, watching), sumOfEvents(target, quietly)])
  assertSame('events', events, others)
  for (const table of TABLES) {
    watching.signal?.throwIfAborted()
    assertSame(table, ...(await Promise.all([sumOfRows(from, table), sumOfRows(to, table)])))
  }
  assertSame('services', ...(await Promise.all([sumOfServices(source), sumOfServices(target)])))
  assertSame('documents', ...(await Promise.all([sumOfDocuments(source, from), sumOfDocuments(target, to)])))
  assertSame('inline projections', ...(await Promise.all([sumOfInlines(source), sumOfInlines(target)])))
  return { events: events.count, hash: events.hash }
}

function assertSame(what: string, source: Sum, target: Sum): void {
  if (source.count === target.count && source.hash === target.hash) return
  throw new HodisaError('copy-differs', `${what}: ${source.count} in the source, ${target.count} in the target`, {
    what,
    source,
    target,
  })
}

/** In their order. */
async function sumOfEvents(store: Store, { signal, onProgress }: Watching): Promise<Sum> {
  const hash = createHash('sha256')
  let count = 0
  for (let after = 0; ; ) {
    signal?.throwIfAborted()
    const { events, scanned, end } = await store.readLog({ after, limit: PAGE })
    for (const event of events) hash.update(JSON.stringify(valuesOf(event))).update('\n')
    count += events.length
    onProgress(scanned)
    if (end) return { count, hash: hash.digest('hex') }
    after = scanned
  }
}

function valuesOf(event: StoredEvent): readonly unknown[] {
  const { position, id, type, version, kind, timestamp, recordedAt, bucket, stream, revision, key, source } = event
  const { correlationId, causationId, data, metadata, tenant, subject, tags, encoding, expiresAt } = event
  return [
    ...[position, id, type, version, kind, timestamp, recordedAt, bucket, stream, revision, key, source],
    ...[correlationId, causationId, data, metadata, tenant, subject, tags, encoding, expiresAt],
  ]
}

/** Whatever their order: engines have their own. */
class Unordered {
  #count = 0
  #sum = 0n

  add(value: unknown): void {
    this.#count += 1
    this.#sum += BigInt(`0x${createHash('sha256').update(JSON.stringify(value)).digest('hex')}`)
  }

  sum(): Sum {
    return { count: this.#count, hash: BigInt.asUintN(256, this.#sum).toString(16) }
  }
}

async function sumOfRows(from: Transfer, table: TransferTable): Promise<Sum> {
  const all = new Unordered()
  await forEachRow(from, table, (rows) => {
    for (const row of rows) all.add(row)
  })
  return all.sum()
}

async function sumOfServices({ groups }: Store): Promise<Sum> {
  const all = new Unordered()
  for (const service of await groups.list()) {
    const { paused, subscriptions, breakers, leases } = await groups.read(service)
    const shares = leases.map(({ bucket, epoch, checkpoint, covered, needs, carefulUntil }) => [
      ...[bucket, epoch, checkpoint, covered, needs, carefulUntil],
    ])
    all.add([service, paused, subscriptions, breakers, shares])
  }
  return all.sum()
}

async function sumOfDocuments({ documents }: Store, from: Transfer): Promise<Sum> {
  const all = new Unordered()
  for (const { name, indexes } of (await documents.list()).filter((one) => !isOwn(one))) {
    all.add([name, indexes])
    await forEachDocument(from, name, (found) => {
      for (const { id, data, keys = {}, expiresAt = null } of found) {
        all.add([name, id, data, indexes.map((index) => (Object.hasOwn(keys, index) ? keys[index] : null)), expiresAt])
      }
    })
  }
  return all.sum()
}

async function sumOfInlines(store: Store): Promise<Sum> {
  const all = new Unordered()
  for (const { name, types } of await store.inlines()) all.add([name, types])
  return all.sum()
}

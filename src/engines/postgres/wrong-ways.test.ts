/*
 * Why the log has an order of its own. The two common ways of reading a table of events, beside ours, on one schedule: reading by
 * the number a sequence gave skips what commits late; reading only what is older than every open transaction stalls on each of
 * them, of anybody, and turns streams around.
 */
import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { until } from '../../delivery/fixtures/until.ts'
import { anEvent, append } from '../../store/conformance/events.ts'
import { hostAt } from '../../store/conformance/suite.ts'
import type { AppendRequest } from '../../store/events.ts'
import { describeOnPostgres, postgresPlace } from '../../testing/postgres/fixtures/place.ts'
import { postgres } from './index.ts'

/** Tells the ids of what is new since it was asked last. */
type Reader = () => Promise<string[]>

describeOnPostgres('three ways of reading what transactions write', () => {
  test('a transaction that commits late is skipped by the first, stalls the second, and is read by ours', async () => {
    const { bySequence, belowXmin, ours, begin } = await schedule()
    const [early, late] = [anEvent(), anEvent()]
    const slow = await begin()
    await slow.publish(append(early))
    const quick = await begin()
    await quick.publish(append(late))
    await quick.client.query('commit')

    expect(await bySequence()).toEqual([late.id])
    expect(await belowXmin()).toEqual([])
    expect(await ours()).toEqual([late.id])

    await slow.client.query('commit')
    expect(await bySequence(), 'it looks only above what it has seen').toEqual([])
    expect(await inTheEnd(belowXmin, 2)).toEqual([early.id, late.id])
    expect(await ours()).toEqual([early.id])
  })

  test('a transaction that has nothing to do with events stalls the second way only', async () => {
    const { bySequence, belowXmin, ours, begin } = await schedule()
    const unrelated = await begin()
    await unrelated.client.query('create table unrelated (id integer)')
    const event = anEvent()
    const writer = await begin()
    await writer.publish(append(event))
    await writer.client.query('commit')

    expect(await bySequence()).toEqual([event.id])
    expect(await ours()).toEqual([event.id])
    expect(await belowXmin(), 'for as long as the other is open').toEqual([])
    await unrelated.client.query('rollback')
    expect(await inTheEnd(belowXmin)).toEqual([event.id])
  })

  test('a stream written by transactions that began the other way round is turned around by the second way only', async () => {
    const { bySequence, belowXmin, ours, begin } = await schedule()
    const [first, second] = [anEvent({ stream: 'order-1' }), anEvent({ stream: 'order-1' })]
    const older = await begin()
    await older.client.query('select pg_current_xact_id()')
    const younger = await begin()
    await younger.publish(append(first))
    await younger.client.query('commit')
    await older.publish(append(second))
    await older.client.query('commit')

    expect(await bySequence()).toEqual([first.id, second.id])
    expect(await ours()).toEqual([first.id, second.id])
    expect(await inTheEnd(belowXmin, 2), 'by transaction, as it must be to find all').toEqual([second.id, first.id])
  })

  test('a rollback leaves a gap that neither stalls nor hides anything from ours', async () => {
    const { ours, begin } = await schedule()
    const undone = await begin()
    await undone.publish(append(anEvent()))
    const event = anEvent()
    const writer = await begin()
    await writer.publish(append(event))
    await undone.client.query('rollback')
    await writer.client.query('commit')
    expect(await ours()).toEqual([event.id])
  })
})

/** The second way waits for whatever else runs on the server, other tests too. */
async function inTheEnd(read: Reader, count = 1): Promise<string[]> {
  const ids: string[] = []
  await until(async () => ids.push(...(await read())) >= count)
  return ids
}

/** A store, transactions on it, and the three readers. */
async function schedule() {
  const { url, schema, dispose } = await postgresPlace()
  onTestFinished(dispose)
  const store = await postgres(url, { schema }).open(hostAt({ now: 1_700_000_000_000 }))
  onTestFinished(() => store.close())
  const client = async (): Promise<Client> => {
    const made = new Client({ connectionString: url })
    await made.connect()
    onTestFinished(() => made.end())
    return made
  }
  const reading = await client()
  const begin = async () => {
    const own = await client()
    await own.query('begin')
    return { client: own, publish: (request: AppendRequest) => store.outbox(own).append(request) }
  }

  let lastNumber = 0
  const bySequence: Reader = async () => {
    const { rows } = await reading.query<{ batch: string; id: string }>(
      `select batch, id from ${schema}.events where batch > $1 order by batch, ordinal`,
      [lastNumber],
    )
    lastNumber = Number(rows.at(-1)?.batch ?? lastNumber)
    return rows.map(({ id }) => id)
  }

  let last = { xid: '0', batch: '0' }
  const belowXmin: Reader = async () => {
    const { rows } = await reading.query<{ xid: string; batch: string; id: string }>(
      `select b.xid::text as xid, b.batch, e.id from ${schema}.batches b join ${schema}.events e using (batch)
       where (b.xid, b.batch) > ($1::text::xid8, $2::bigint) and b.xid < pg_snapshot_xmin(pg_current_snapshot())
       order by b.xid, b.batch, e.ordinal`,
      [last.xid, last.batch],
    )
    last = rows.at(-1) ?? last
    return rows.map(({ id }) => id)
  }

  let position = 0
  const ours: Reader = async () => {
    const { events, scanned } = await store.readLog({ after: position, limit: 100 })
    position = scanned
    return events.map(({ id }) => id)
  }
  return { bySequence, belowXmin, ours, begin }
}

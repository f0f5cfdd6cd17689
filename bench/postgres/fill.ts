import pg from 'pg'
import { storeAt } from '../engine.ts'
import { hodisa } from '../hodisa.ts'
import { OrderCreated, order, STREAMS } from '../sample.ts'

/** Streams of a filled log, at most. */
const MOST_STREAMS = 100_000
/** Events of one publish. */
const FILL = 500
/** Events of a batch, as a program that publishes a few at a time has them. */
const BATCH = 10

/**
 * Puts as many events into a log as fit into the time: the first of each stream are published, the others are copies that the server
 * makes of them, in transactions of all streams. They get their place by the store's own tick. Resolves with how many there are.
 */
export async function fill(url: string, events: number, deadline: number): Promise<number> {
  const streams = Math.floor(Math.min(MOST_STREAMS, events) / FILL) * FILL
  await publishFirst(url, streams)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`create unlogged table seed as
      select row_number() over (order by batch, ordinal) - 1 as n, version, kind, bucket, timestamp, revision, type, stream, source, data,
        metadata, tenant from hodisa.events`)
    let rounds = 0
    for (; (rounds + 2) * streams <= events && performance.now() < deadline; rounds++) {
      await copy(client, streams, rounds + 1)
      process.stderr.write(`\r${((rounds + 2) * streams).toLocaleString('en')} events`)
    }
    process.stderr.write('\n')
    await client.query('update hodisa.streams set revision = revision + $1', [rounds])
    await client.query('drop table seed')
    await client.query('vacuum analyze')
    await client.query('checkpoint').catch(() => undefined) // a right that not everybody has
    return (rounds + 1) * streams
  } finally {
    await client.end()
  }
}

/** The streams that are measured are among them. */
async function publishFirst(url: string, streams: number): Promise<void> {
  await using app = await hodisa({ source: 'bench', store: storeAt('postgres', url), events: [OrderCreated] })
  for (let from = 0; from < streams; from += FILL) {
    const events = Array.from({ length: FILL }, (_, index) => {
      const data = order(from + index)
      return OrderCreated(from + index < STREAMS ? data : { ...data, orderId: `fill_${from + index}` })
    })
    await app.publish(events)
  }
}

async function copy(client: pg.Client, streams: number, round: number): Promise<void> {
  const batches = Math.ceil(streams / BATCH)
  await client.query('begin')
  const { rows } = await client.query<{ last: string }>(
    "select setval('hodisa.batch_numbers', nextval('hodisa.batch_numbers') + $1) as last",
    [batches],
  )
  const first = Number(rows[0]?.last) - batches
  await client.query(
    `insert into hodisa.events (batch, ordinal, version, kind, bucket, timestamp, revision, id, type, stream, source, data, metadata, tenant)
      select $1::bigint + n / ${BATCH}, n % ${BATCH}, version, kind, bucket, timestamp, revision + $2,
        'evt_' || lpad(($2::bigint * $3::bigint + n)::text, 26, '0'), type, stream, source, data, metadata, tenant
      from seed order by n`,
    [first, round, streams],
  )
  await client.query(
    `insert into hodisa.batches (xid, batch, events, recorded_at)
      select pg_current_xact_id(), $1::bigint + n, least(${BATCH}, $2::bigint - n * ${BATCH}), $4 from generate_series(0, $3::bigint - 1) n`,
    [first, streams, batches, Date.now()],
  )
  await client.query('commit')
  await client.query('select hodisa.tick(true)')
}

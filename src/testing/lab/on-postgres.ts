import { setTimeout as delay } from 'node:timers/promises'
import { postgres } from '../../engines/postgres/index.ts'
import { startPostgres } from '../postgres/index.ts'
import type { Faults } from './faults.ts'
import type { LabStore } from './stores.ts'

/** Runs of the laboratory on a PostgreSQL server of their own. */
export const onPostgres: LabStore = {
  // The server may be ended like a crash: only what it has written counts.
  durability: 'fsync',
  async prepare() {
    // A crash of the server leaves what the operating system has; a power cut is not tried.
    const server = await startPostgres({ fsync: false, maxConnections: 300 })
    const { url } = server
    let restarting: Promise<void> = Promise.resolve()
    return {
      at: url,
      hold: (ms) => hold(url, ms),
      restartServer(mode) {
        restarting = restarting.then(() => server.restart({ mode }))
        return restarting
      },
      terminateBackends: (count) => terminate(url, count),
      async publishLate(app, publish, ms) {
        const client = await connected(url)
        try {
          await client.query('begin')
          await publish(app.outbox(client))
          await delay(ms)
          await client.query('commit')
        } finally {
          await client.end()
        }
      },
      close: async () => {
        await restarting.catch(() => undefined)
        await server.stop()
      },
    }
  },
  factory: (at) => postgres(at, { busyTimeout: '10s' }),
  points: pointsIn,
  async effectsTable({ sql }) {
    await sql`create table lab_effects (id bigint generated always as identity, service text, position bigint, at float8)`
  },
}

interface Query {
  readonly text?: string
}

async function pointsIn(faults: Faults): Promise<void> {
  const { default: pg } = await import('pg')
  const prototype = pg.Client.prototype as { query: (this: unknown, query: Query) => Promise<unknown> }
  const { query } = prototype
  prototype.query = async function (this: unknown, asked: Query) {
    const { text = '' } = asked
    // What an effect leaves is written in the same round trip.
    const writes = text.endsWith('commit') || text.startsWith('select batch, refusal from')
    if (writes) faults.reach('commit.before')
    const result = await query.call(this, asked)
    if (text.includes('create table if not exists hodisa.schema_versions')) faults.reach('migration.begun')
    if (text.includes('create table hodisa.events')) faults.reach('migration.made')
    if (text === 'commit') faults.reach('migration.committed')
    if (writes) faults.reach('commit.after')
    return result
  }
}

/** A transaction that has nothing to do with events, and one lock that appends need for a moment. */
async function hold(url: string, ms: number): Promise<void> {
  const client = await connected(url)
  try {
    await client.query(
      'begin; select pg_current_xact_id(); select * from hodisa.streams order by random() limit 1 for update',
    )
    await delay(ms)
    await client.query('rollback')
  } finally {
    await client.end()
  }
}

async function terminate(url: string, count: number): Promise<number> {
  const client = await connected(url)
  try {
    const { rowCount } = await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = 'hodisa' and pid <> pg_backend_pid() order by random() limit $1`,
      [count],
    )
    return rowCount ?? 0
  } finally {
    await client.end()
  }
}

async function connected(url: string) {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined) // the query tells
  await client.connect()
  return client
}

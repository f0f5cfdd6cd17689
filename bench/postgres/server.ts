import { statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import pg from 'pg'
import { createDatabase, dropDatabase } from '../../dist/testing/postgres/databases.js'
import { startPostgres } from '../../dist/testing/postgres/index.js'
import type { Engine } from '../engine.ts'
import { AIMS } from './aims.ts'
import { append, deliver, latency, rebuild } from './others.ts'
import { fill } from './project.ts'

/** What statfs says of a file system in memory. */
const TMPFS = 0x01021994

/** A server and what it is, for the reader of a result. */
export interface BenchServer extends Engine, AsyncDisposable {
  readonly described: string
}

/**
 * The server at `HODISA_BENCH_POSTGRES_URL`, whose user may create databases, else one with all settings at their defaults, in a
 * temporary folder. Every round has a database of its own, after a checkpoint, so that nobody writes what another one has left.
 */
export async function startServer(): Promise<BenchServer> {
  const given = process.env.HODISA_BENCH_POSTGRES_URL
  if (!given && statfsSync(tmpdir()).type === TMPFS) {
    throw new Error(`${tmpdir()} lies in memory, where an fsync costs nothing: set TMPDIR to a folder on disk`)
  }
  const own = given ? undefined : await startPostgres()
  const url = given ?? own?.url ?? ''
  try {
    return {
      name: 'postgres',
      described: await describe(url),
      fresh: async (work) => {
        const place = await createDatabase(url)
        try {
          await query(url, 'checkpoint').catch(() => undefined) // a right that not everybody has
          return await work(place)
        } finally {
          await dropDatabase(url, place)
        }
      },
      others: { append, deliver, latency, rebuild, fill },
      aims: AIMS,
      [Symbol.asyncDispose]: async () => own?.stop(),
    }
  } catch (error) {
    await own?.stop()
    throw error
  }
}

/** @throws where it does not wait for its disk */
async function describe(url: string): Promise<string> {
  const names = ['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size']
  const [row = {}] = await query(url, `select ${names.map((name) => `current_setting('${name}') as ${name}`).join()}`)
  for (const name of ['fsync', 'synchronous_commit', 'full_page_writes']) {
    if (row[name] !== 'on')
      throw new Error(`the server has ${name} = ${row[name]}: nothing it reaches would be durable`)
  }
  const [version, ...settings] = names.map((name) => `${name} ${row[name]}`)
  return `PostgreSQL ${version?.split(' ')[1]}, ${settings.join(', ')}`
}

/** Sends one statement on a connection of its own. */
export async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { until } from '../../delivery/fixtures/until.ts'
import { findPostgres } from './find.ts'
import { type PostgresServer, type PostgresServerOptions, startPostgres } from './server.ts'

const found = findPostgres({ ...process.env, HODISA_TEST_POSTGRES_URL: undefined })
const why = 'missing' in found ? ` (skipped: ${found.missing})` : ''

describe.skipIf(why !== '')(`a PostgreSQL server of its own${why}`, () => {
  test('runs, makes databases and takes them away, and leaves nothing when it is stopped', async () => {
    const server = await startPostgres({ fsync: false })
    const database = await server.createDatabase()
    expect(await ask(database, 'select 40 + 2 as answer')).toEqual([{ answer: 42 }])
    await server.dropDatabase(database)
    await expect(ask(database, 'select 1')).rejects.toMatchObject({ code: '3D000' })
    const pid = Number(server.pid)
    await server.stop()
    expect(isRunning(pid)).toBe(false)
    expect(existsSync(server.folder)).toBe(false)
  })

  test('drops a database that is in use', async () => {
    const server = await started()
    const database = await server.createDatabase('in use')
    const user = await connected(database)
    const ended = new Promise((resolve) => user.once('error', resolve))
    await server.dropDatabase(database)
    expect(await ended).toMatchObject({ code: '57P01' })
  })

  test.each(['fast', 'immediate'] as const)('has what was committed after a restart: %s', async (mode) => {
    const server = await started()
    const client = await connected(server.url)
    await client.query('create table kept (number integer)')
    await client.query('insert into kept values (1)')
    await client.query('begin; insert into kept values (2)')
    const before = server.pid
    await server.restart({ mode })
    expect(server.pid).not.toBe(before)
    expect(await ask(server.url, 'select number from kept')).toEqual([{ number: 1 }])
    // A clean shutdown leaves nothing to recover.
    expect(server.log().includes('was not properly shut down')).toBe(mode === 'immediate')
  })

  test('refuses connections while it is down', async () => {
    const server = await started()
    await server.down()
    expect(server.pid).toBeUndefined()
    await expect(ask(server.url, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await server.up()
    expect(await ask(server.url, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  test('does not run as root', async () => {
    const server = await started()
    expect(statSync(join(server.folder, 'data', 'postmaster.pid')).uid).toBeGreaterThan(0)
  })

  test('takes settings, and is as durable as asked for', async () => {
    const careful = await startPostgres({
      maxConnections: 17,
      maxPreparedTransactions: 3,
      settings: { work_mem: '1MB' },
    })
    onTestFinished(() => careful.stop())
    const show = async ({ url }: PostgresServer, name: string) => (await ask(url, `show ${name}`))[0]?.[name]
    expect(await show(careful, 'max_connections')).toBe('17')
    expect(await show(careful, 'max_prepared_transactions')).toBe('3')
    expect(await show(careful, 'work_mem')).toBe('1MB')
    expect(await show(careful, 'fsync')).toBe('on')
    expect(await show(await started(), 'fsync')).toBe('off')
  })

  test('asks for its password', async () => {
    const { url } = await started({ password: 'a b:/@%\'"' })
    expect(await ask(url, 'select 1 as one')).toEqual([{ one: 1 }])
    const wrong = new URL(url)
    wrong.password = 'other'
    await expect(ask(wrong.href, 'select 1')).rejects.toMatchObject({ code: '28P01' })
  })

  test('says what its log says when it cannot start', async () => {
    const failure = await startPostgres({ settings: { shared_buffers: 'plenty' } }).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'store-unavailable', message: expect.stringContaining('shared_buffers') })
  })

  test.each(['SIGKILL', 'SIGTERM', 'SIGINT', 'the end of its work'] as const)(
    'is gone when the process that started it ends by %s',
    async (end) => {
      const holder = spawn(process.execPath, [fileURLToPath(new URL('./fixtures/holder.ts', import.meta.url))], {
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      onTestFinished(() => void holder.kill('SIGKILL'))
      const [line] = await once(holder.stdout, 'data')
      const server: { url: string; pid: number; folder: string } = JSON.parse(String(line))
      expect(await ask(server.url, 'select 1 as one')).toEqual([{ one: 1 }])
      const exited = once(holder, 'exit')
      if (end.startsWith('SIG')) holder.kill(end as NodeJS.Signals)
      else holder.stdin.end()
      await exited
      await until(() => !existsSync(server.folder))
      await expect(ask(server.url, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    },
  )
})

async function started(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const server = await startPostgres({ fsync: false, ...options })
  onTestFinished(() => server.stop())
  return server
}

/** Its connection may break under it. */
async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  onTestFinished(() => client.end().catch(() => undefined))
  return client
}

async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = await connected(url)
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { Answered, Noted } from '../../delivery/fixtures/events.ts'
import { all, failure, until } from '../../delivery/fixtures/until.ts'
import { isHodisaError } from '../../errors.ts'
import type { PostgresServer } from '../../testing/postgres/index.ts'
import { appOn, clientOf, describeOnOwnServer, ownServer, type TestApp } from './fixtures/own-server.ts'

/** Names connections, apart from those of the tests themselves. */
const NAME = 'under-test'

describeOnOwnServer('connections that break under load', () => {
  test.each<[string, (server: PostgresServer) => Promise<void>]>([
    [
      'restarts of the server',
      async (server) => {
        for (const mode of ['fast', 'immediate', 'fast'] as const) {
          await delay(400)
          await server.restart({ mode })
        }
      },
    ],
    [
      'connections that are ended',
      async (server) => {
        const client = await clientOf(server.url)
        for (let round = 0; round < 25; round++) {
          await delay(60)
          await client.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [
            NAME,
          ])
        }
      },
    ],
  ])('%s: all recovers by itself, and everything takes effect once', async (_, disturb) => {
    const server = await ownServer()
    await (await clientOf(server.url)).query('create table effects (n integer)')
    const app = await appOn(named(server.url))
    app.service('effects', { from: 'start', concurrency: 8 }).on(Noted, async ({ data }, ctx) => {
      await ctx.commit(async (tx) => void (await tx.sql`insert into effects values (${data.n})`))
    })
    app.service('answers', { from: 'start', concurrency: 8 }).on(Noted, ({ data }, ctx) => {
      ctx.publish(Answered({ to: String(data.n) }))
    })
    await app.start()
    const disturbing = new AbortController()
    const publishers = Array.from({ length: 6 }, (_, publisher) => publishUntil(disturbing.signal, app, publisher))
    await disturb(server)
    disturbing.abort()
    const published = (await Promise.all(publishers)).flat().toSorted(byNumber)
    await app.settled({ timeout: 30_000 })

    expect(await numbersIn(app, Noted.type)).toEqual(published)
    expect(await numbersIn(app, Answered.type)).toEqual(published)
    const { rows } = await (await clientOf(server.url)).query<{ n: number }>('select n from effects order by n')
    expect(rows.map(({ n }) => n)).toEqual(published)
    expect(app.logger.lines.filter(({ level }) => level === 'error')).toEqual([])
    expect(await app.deadLetters.list()).toEqual([])
  })

  test('a transaction that a crash undid is not taken for another one that was given its id', async () => {
    const server = await ownServer()
    await (await clientOf(server.url)).query('create table unrelated (n integer)')
    const app = await appOn(server.url)
    const undone = app.transaction(async () => {
      await server.restart({ mode: 'immediate' })
      const other = await clientOf(server.url)
      for (let n = 0; n < 50; n++) await other.query('insert into unrelated values ($1)', [n])
    })
    expect(await failure(() => undone)).toMatchObject({ code: 'store-unavailable' })
  })

  test('what others appended while nobody listened is found once the connection is back', async () => {
    const server = await ownServer()
    const app = await appOn(named(server.url))
    const handled = new Set<number>()
    app.service('email', { from: 'start' }).on(Noted, ({ data }) => void handled.add(data.n))
    await app.start()
    await app.publish(Noted({ key: 'a', n: 0 }))
    await until(() => handled.has(0))
    const other = await appOn(server.url)
    const client = await clientOf(server.url)
    const listening = async () => {
      const { rows } = await client.query<{ pid: number }>(
        `select pid from pg_stat_activity where application_name = $1 and query ~ 'listen|presence|signals'`,
        [NAME],
      )
      return rows.map(({ pid }) => pid)
    }
    for (let n = 1; n <= 20; n++) {
      for (const pid of await listening()) await client.query('select pg_terminate_backend($1)', [pid])
      await other.publish(Noted({ key: 'a', n }))
      await until(() => handled.has(n))
    }
  })

  test('a server without a free connection is waited for', async () => {
    const server = await ownServer({ maxConnections: 14, settings: { superuser_reserved_connections: 0 } })
    const app = await appOn(server.url)
    await app.publish(Noted({ key: 'a', n: 1 }))
    const others: Client[] = []
    for (;;) {
      const client = new Client({ connectionString: server.url })
      client.on('error', () => undefined)
      try {
        await client.connect()
        others.push(client)
      } catch (error) {
        expect(error).toMatchObject({ code: '53300' })
        break
      }
    }
    const end = () => Promise.all(others.splice(0).map((client) => client.end()))
    onTestFinished(async () => void (await end()))
    const published = Array.from({ length: 20 }, (_, n) => app.publish(Noted({ key: `k${n}`, n: n + 2 })))
    const worked = app.transaction(async (tx) => void (await tx.sql`select pg_sleep(0.01)`))
    const impatient = failure(() => appOn(server.url, { busyTimeout: 50 }))
    expect(await impatient).toMatchObject({ code: 'store-unavailable', message: expect.stringContaining('connection') })
    await end()
    await Promise.all([...published, worked])
    expect(await numbersIn(app, Noted.type)).toHaveLength(21)
  })

  test('commits of many handlers share few connections', async () => {
    const server = await ownServer()
    await (await clientOf(server.url)).query('create table effects (n integer)')
    const app = await appOn(server.url, { connections: 5 })
    app.service('effects', { from: 'start', concurrency: 50 }).on(Noted, async ({ data }, ctx) => {
      await ctx.commit(async (tx) => {
        await tx.sql`insert into effects values (${data.n})`
        tx.publish(Answered({ to: String(data.n) }))
      })
    })
    await app.start()
    await Promise.all(Array.from({ length: 200 }, (_, n) => app.publish(Noted({ key: `k${n % 100}`, n }))))
    await app.settled()
    expect(await numbersIn(app, Answered.type)).toHaveLength(200)
  })
})

describeOnOwnServer('a transaction that stands still', () => {
  test('is ended, says why, and what it had locked holds nobody up any longer', async () => {
    const server = await ownServer()
    const client = await clientOf(server.url)
    await client.query('create table stock (sku text primary key, count integer); insert into stock values ($$a$$, 1)')
    const app = await appOn(server.url)
    const opened = Promise.withResolvers<void>()
    const still = Promise.withResolvers<void>()
    const frozen = failure(() =>
      app.transaction(async (tx) => {
        await tx.sql`update stock set count = count - 1`
        opened.resolve()
        await still.promise
      }),
    )
    await opened.promise
    await client.query('update stock set count = 7')
    still.resolve()
    expect(await frozen).toMatchObject({ code: 'commit-awaited-io', message: expect.stringContaining('2 s') })
    expect((await client.query('select count from stock')).rows).toEqual([{ count: 7 }])
  })

  test('fails the attempt of a handler with the reason, and then goes the way of all failures', async () => {
    const server = await ownServer()
    const app = await appOn(server.url)
    app.service('slow', { from: 'start', retry: { attempts: 1 } }).on(Noted, async ({ data }, ctx) => {
      await ctx.commit(async (tx) => {
        await tx.sql`select 1`
        if (data.n === 1) await delay(3_000)
        await tx.sql`select 2`
      })
    })
    await app.start()
    await app.publish([Noted({ key: 'a', n: 1 }), Noted({ key: 'b', n: 2 })])
    await until(async () => (await app.deadLetters.list()).length === 1)
    expect(await app.deadLetters.list()).toMatchObject([{ error: { code: 'commit-awaited-io' } }])
  })

  test('a statement that takes too long is ended, and its transaction with it', async () => {
    const server = await ownServer()
    const app = await appOn(server.url)
    const error = await failure(() => app.transaction(async (tx) => void (await tx.sql`select pg_sleep(20)`)))
    expect(error).toMatchObject({ code: 'store-busy', message: expect.stringContaining('too long') })
    await app.publish(Noted({ key: 'a', n: 1 }))
  })
})

function named(url: string): string {
  const own = new URL(url)
  own.searchParams.set('application_name', NAME)
  return own.href
}

/** Publishes one after the other; the numbers of what was acknowledged. */
async function publishUntil(signal: AbortSignal, app: TestApp, publisher: number): Promise<number[]> {
  const published: number[] = []
  for (let n = publisher * 1_000_000; !signal.aborted; n++) {
    try {
      await app.publish(Noted({ key: `k${publisher} ${n % 5}`, n }))
      published.push(n)
    } catch (error) {
      if (!isHodisaError(error, 'store-unavailable')) throw error
    }
    await delay(5)
  }
  return published
}

async function numbersIn(app: TestApp, type: string): Promise<number[]> {
  const events = await all(app.read({ types: type }))
  return events
    .map(({ data }) => Number((data as { n?: number; to?: string }).n ?? (data as { to: string }).to))
    .sort(byNumber)
}

function byNumber(one: number, other: number): number {
  return one - other
}

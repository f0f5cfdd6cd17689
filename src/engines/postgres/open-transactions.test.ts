import type { Client } from 'pg'
import { expect, test } from 'vitest'
import { Noted } from '../../delivery/fixtures/events.ts'
import { all, until } from '../../delivery/fixtures/until.ts'
import type { PostgresServer } from '../../testing/postgres/index.ts'
import { appOn, clientOf, describeOnOwnServer, ownServer, type TestApp } from './fixtures/own-server.ts'

describeOnOwnServer('transactions that stay open', () => {
  test.each(['commit', 'rollback'] as const)('one with an event delays nothing but itself, and may %s', async (end) => {
    const { app, server, handled } = await running()
    const held = await begun(server)
    await app.outbox(held).publish(Noted({ key: 'held', n: 1 }))
    for (let n = 2; n < 40; n++) await app.publish(Noted({ key: `k${n % 3}`, n }))
    await until(() => handled.length === 38)
    expect(handled).not.toContain(1)
    expect(await positions(app)).toHaveLength(38)
    await held.query(end)
    await app.publish(Noted({ key: 'held', n: 40 }))
    await until(() => handled.includes(40) && (end === 'rollback' || handled.includes(1)))
    await app.settled()
    const expected = range(2, 41).concat(end === 'commit' ? [1] : [])
    expect(handled.toSorted(byNumber)).toEqual(expected.toSorted(byNumber))
    const places = await positions(app)
    expect(places).toEqual(places.toSorted(byNumber))
    // A rollback leaves no gap in a stream either.
    const revisions = (await all(app.read({ stream: 'test-held' }))).map(({ revision }) => revision)
    expect(revisions).toEqual(end === 'commit' ? [1, 2] : [1])
  })

  test.each<[string, (server: PostgresServer) => Promise<string>]>([
    ['of somebody else, from before the first event to after the last', async ({ url }) => url],
    ['in another database of the server', async (server) => server.createDatabase()],
  ])('one %s delays nothing', async (_, where) => {
    const server = await ownServer()
    const unrelated = await clientOf(await where(server))
    await unrelated.query('begin isolation level serializable; create table unrelated (id integer)')
    const { app, handled } = await running(server)
    for (let n = 0; n < 50; n++) await app.publish(Noted({ key: `k${n % 5}`, n }))
    await app.settled()
    expect(handled.toSorted(byNumber)).toEqual(range(0, 50))
    expect((await unrelated.query('select count(*)::integer from unrelated')).rows).toEqual([{ count: 0 }])
  })

  test('statements that were sent often go with what a table has become', async () => {
    const { app, server } = await running()
    const client = await clientOf(server.url)
    await client.query('create table sold (amount integer)')
    const sell = (amount: number) => app.transaction((tx) => tx.sql`insert into sold values (${amount})`)
    for (let n = 0; n < 20; n++) await sell(n)
    await client.query('alter table sold alter column amount type bigint')
    await sell(5_000_000_000)
    expect((await client.query('select max(amount) from sold')).rows).toEqual([{ max: '5000000000' }])
  })

  test('two that touch one stream keep its order, whichever began first', async () => {
    const { app, server, handled } = await running()
    const older = await begun(server)
    await older.query('select pg_current_xact_id()')
    const younger = await begun(server)
    await app.outbox(younger).publish(Noted({ key: 'one', n: 1 }))
    const second = app.outbox(older).publish(Noted({ key: 'one', n: 2 }))
    await younger.query('commit')
    await second
    await app.publish(Noted({ key: 'another', n: 3 }))
    await older.query('commit')
    await app.publish(Noted({ key: 'one', n: 4 }))
    await app.settled()
    expect(handled.filter((n) => n !== 3)).toEqual([1, 2, 4])
    const events = await all(app.read({ stream: 'test-one' }))
    expect(events.map(({ revision, data }) => [revision, (data as { n: number }).n])).toEqual([
      [1, 1],
      [2, 2],
      [3, 4],
    ])
    const places = events.map(({ position }) => position)
    expect(places).toEqual(places.toSorted(byNumber))
  })

  test('prepared ones survive a crash of the server, and their events come when they are committed', async () => {
    const server = await ownServer({ maxPreparedTransactions: 4 })
    const { app, handled } = await running(server)
    for (const [name, n] of [
      ['kept', 1],
      ['dropped', 2],
    ] as const) {
      const client = await begun(server)
      await app.outbox(client).publish(Noted({ key: name, n }))
      await client.query(`prepare transaction '${name}'`)
    }
    await app.publish(Noted({ key: 'other', n: 3 }))
    await until(() => handled.includes(3))
    await server.restart({ mode: 'immediate' })
    await app.publish(Noted({ key: 'other', n: 4 }))
    await until(() => handled.includes(4))
    expect(handled).toEqual([3, 4])
    const client = await clientOf(server.url)
    await client.query("commit prepared 'kept'")
    await client.query("rollback prepared 'dropped'")
    await app.publish([Noted({ key: 'kept', n: 5 }), Noted({ key: 'dropped', n: 6 })])
    await until(() => [1, 5, 6].every((n) => handled.includes(n)))
    await app.settled()
    expect(handled.toSorted(byNumber)).toEqual([1, 3, 4, 5, 6])
    expect(handled.indexOf(1)).toBeLessThan(handled.indexOf(5))
  })
})

/** An app with a service that keeps what it is given. */
async function running(given?: PostgresServer): Promise<{ app: TestApp; server: PostgresServer; handled: number[] }> {
  const server = given ?? (await ownServer())
  const app = await appOn(server.url)
  const handled: number[] = []
  app.service('email', { from: 'start' }).on(Noted, ({ data }) => void handled.push(data.n))
  await app.start()
  return { app, server, handled }
}

async function begun({ url }: PostgresServer): Promise<Client> {
  const client = await clientOf(url)
  await client.query('begin')
  return client
}

async function positions(app: TestApp): Promise<number[]> {
  return (await all(app.read({ types: Noted.type }))).map(({ position }) => position)
}

function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, index) => first + index)
}

function byNumber(one: number, other: number): number {
  return one - other
}

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Noted } from '../../delivery/fixtures/events.ts'
import { all, until } from '../../delivery/fixtures/until.ts'
import { findPostgres, type PostgresServer } from '../../testing/postgres/index.ts'
import { appOn, clientOf, describeOnOwnServer, ownServer, type TestApp } from './fixtures/own-server.ts'

const found = findPostgres({ ...process.env, HODISA_TEST_POSTGRES_URL: undefined })
const programs = 'programs' in found ? found.programs : ''
/** Not every package of the server brings them. */
const withoutDump = !['pg_dump', 'psql'].every((program) => existsSync(join(programs, program)))

describeOnOwnServer('a dump in another cluster', () => {
  test.skipIf(withoutDump).each<[string, (old: PostgresServer, young: PostgresServer) => Promise<void>]>([
    ['whose transaction ids are lower', async (old) => burn(old, 3_000)],
    ['whose transaction ids are higher', async (_, young) => burn(young, 3_000)],
    ['whose transaction ids are about the same', async () => undefined],
  ])('%s: nothing is delivered again, and the log goes on', async (_, prepare) => {
    const [old, young] = await Promise.all([ownServer(), ownServer()])
    await prepare(old, young)
    const before = await started(old.url)
    await publish(before.app, 0, 30)
    await before.app.settled()
    await before.app.stop()
    // Committed, with nobody to give them a place: what a dump takes while appends go on.
    await publishUnplaced(old, 30, 40)
    await publishUnplaced(old, 40, 50)
    copy(old, young)

    const after = await started(young.url)
    await until(() => after.handled.length >= 20)
    await publish(after.app, 50, 80)
    await until(() => after.handled.length >= 50)
    await after.app.settled()
    expect(after.handled.toSorted(byNumber)).toEqual(range(30, 80))
    const events = await all(after.app.read({ types: Noted.type }))
    expect(events.map(({ data }) => (data as { n: number }).n).toSorted(byNumber)).toEqual(range(0, 80))
    const places = events.map(({ position }) => position)
    expect(places).toEqual([...new Set(places)].toSorted(byNumber))
    for (const stream of new Set(events.map((event) => event.stream ?? ''))) {
      const revisions = (await all(after.app.read({ stream }))).map(({ revision }) => revision ?? 0)
      expect(revisions).toEqual(range(1, revisions.length + 1))
    }
    expect(after.app.logger.said('warn', 'restored into another cluster')).toBe(true)
    expect(after.app.logger.lines.filter(({ level }) => level === 'error')).toEqual([])

    // And once only.
    const again = await started(young.url)
    await publish(again.app, 80, 90)
    await until(() => after.handled.length + again.handled.length === 60)
    expect(again.app.logger.said('warn', 'restored into another cluster')).toBe(false)
  })

  test.skipIf(withoutDump)('in another database of the same cluster is a store of its own', async () => {
    const server = await ownServer()
    const before = await started(server.url)
    await publish(before.app, 0, 10)
    await before.app.settled()
    const url = await server.createDatabase()
    copy(server, { url })
    const copied = await started(url)
    await publish(copied.app, 10, 20)
    await publish(before.app, 20, 30)
    await Promise.all([copied.app.settled(), before.app.settled()])
    expect(copied.handled.toSorted(byNumber)).toEqual(range(10, 20))
    expect(before.handled.toSorted(byNumber)).toEqual([...range(0, 10), ...range(20, 30)])
  })
})

async function started(url: string): Promise<{ app: TestApp; handled: number[] }> {
  const app = await appOn(url)
  const handled: number[] = []
  app.service('email', { from: 'start' }).on(Noted, ({ data }) => void handled.push(data.n))
  await app.start()
  return { app, handled }
}

async function publish(app: TestApp, first: number, end: number): Promise<void> {
  for (let n = first; n < end; n++) await app.publish(Noted({ key: `k${n % 4}`, n }))
}

/** By a process that is gone before it can give them a place in the log. */
async function publishUnplaced(server: PostgresServer, first: number, end: number): Promise<void> {
  const app = await appOn(server.url)
  const client = await clientOf(server.url)
  await client.query('begin')
  for (let n = first; n < end; n++) await app.outbox(client).publish(Noted({ key: `k${n % 4}`, n }))
  await app.stop()
  await client.query('commit')
}

/** Uses up transaction ids. */
async function burn({ url }: PostgresServer, count: number): Promise<void> {
  const client = await clientOf(url)
  await client.query(`do $$ begin for i in 1..${count} loop perform pg_current_xact_id(); commit; end loop; end $$`)
}

type Database = Pick<PostgresServer, 'url'>

function copy(from: Database, to: Database): void {
  const [dump, psql] = [join(programs, 'pg_dump'), join(programs, 'psql')]
  execFileSync('sh', ['-c', `"${dump}" "${from.url}" | "${psql}" -q -v ON_ERROR_STOP=1 "${to.url}"`])
}

function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, index) => first + index)
}

function byNumber(one: number, other: number): number {
  return one - other
}

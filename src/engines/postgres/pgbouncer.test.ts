import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { Answered, Noted } from '../../delivery/fixtures/events.ts'
import { all, until } from '../../delivery/fixtures/until.ts'
import { conformance } from '../../store/conformance/index.ts'
import { execute, newName } from '../../testing/postgres/databases.ts'
import { type PostgresServer, startPostgres } from '../../testing/postgres/index.ts'
import { holdOutbox } from './fixtures/hold-outbox.ts'
import { appOn, clientOf, describeOnOwnServer, ownServer, setAside } from './fixtures/own-server.ts'
import { type Pgbouncer, pgbouncer, withoutPgbouncer } from './fixtures/pgbouncer.ts'
import { postgres } from './index.ts'

const LEFT = `select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock,
  current_setting('idle_in_transaction_session_timeout') as idle, current_setting('synchronous_commit') as durable,
  (select count(*)::integer from pg_locks where locktype = 'advisory') as locks,
  (select count(*)::integer from pg_prepared_statements) as prepared`

describeOnOwnServer(`behind PgBouncer${withoutPgbouncer}`, () => {
  describe.skipIf(withoutPgbouncer !== '')('a pooler', () => {
    test.each<[string, Record<string, string | number>]>([
      ['that hands out the connection that was used last', {}],
      ['that hands out all of them in turn', { server_round_robin: 1 }],
    ])('%s: services work, by looking, and it is said', async (_, settings) => {
      const server = await ownServer()
      const pooler = await pooled(server, settings)
      await (await clientOf(server.url)).query('create table effects (n integer)')
      const apps = [await appOn(pooler.url), await appOn(pooler.url)]
      for (const app of apps) {
        app.service('effects', { from: 'start', concurrency: 8 }).on(Noted, async ({ data }, ctx) => {
          await ctx.commit(async (tx) => {
            await tx.sql`insert into effects values (${data.n})`
            tx.publish(Answered({ to: String(data.n) }))
          })
        })
        await app.start()
      }
      const [app, other] = apps
      if (app === undefined || other === undefined) throw new Error('no apps')
      await Promise.all(Array.from({ length: 100 }, (_, n) => app.publish(Noted({ key: `k${n % 9}`, n }))))
      await other.settled()
      expect(await all(other.read({ types: Answered.type }))).toHaveLength(100)
      const client = await clientOf(server.url)
      expect((await client.query('select distinct n from effects')).rows).toHaveLength(100)
      expect((await client.query('select n from effects')).rows).toHaveLength(100)
      await until(async () => (await app.explain()).warnings.some(({ code }) => code === 'notifications-missing'))
      expect(app.logger.said('warn', 'notifications of PostgreSQL do not arrive')).toBe(true)
      // Nothing of a transaction stays on connections that others get.
      const pool = await clientOf(pooler.url)
      const left = async () => (await pool.query<Record<string, unknown>>(LEFT)).rows[0]
      const nothing = { statement: '0', lock: '0', idle: '0', durable: 'on', locks: 0, prepared: 0 }
      await until(async () => isDeepStrictEqual(await left(), nothing))
    })

    test('in session mode everything is as without it', async () => {
      const pooler = await pooled(await ownServer(), { pool_mode: 'session' })
      const app = await appOn(pooler.url)
      app.service('email').on(Noted, () => undefined)
      await app.start()
      const other = await appOn(pooler.url)
      await other.publish(Noted({ key: 'a', n: 1 }))
      await app.settled()
      const { warnings } = await app.explain()
      expect(warnings.map(({ code }) => code)).not.toContain('notifications-missing')
      expect(app.logger.said('warn', 'notifications')).toBe(false)
    })

    test('a server that has lost its last transactions is noticed, though connections to the pooler stay', async () => {
      const server = await ownServer()
      const pooler = await pooled(server)
      const app = await appOn(pooler.url)
      const handled = new Set<number>()
      app.service('email', { from: 'start' }).on(Noted, ({ data }) => void handled.add(data.n))
      await app.start()
      const publish = async (first: number, end: number) => {
        for (let n = first; n < end; n++) await app.publish(Noted({ key: 'a', n }))
        await until(() => handled.has(end - 1))
      }
      await publish(0, 10)
      await app.settled()
      await server.down()
      const aside = setAside(server)
      await server.up()
      await publish(10, 60)
      await server.down()
      aside.putBack()
      await server.up()
      await until(() => app.logger.said('error', 'lost events'))
      await publish(100, 110)
      const events = await all(app.read({ types: Noted.type }))
      expect(events.map(({ data }) => (data as { n: number }).n).slice(-10)).toEqual([...handled].slice(-10))
    })

    test('services go on when the server behind it was restarted', async () => {
      const server = await ownServer()
      const pooler = await pooled(server)
      const app = await appOn(pooler.url)
      const handled = new Set<number>()
      app.service('email', { from: 'start' }).on(Noted, ({ data }) => void handled.add(data.n))
      await app.start()
      for (let n = 0; n < 3; n++) {
        await app.publish(Noted({ key: 'a', n }))
        await until(() => handled.has(n))
        await server.restart({ mode: n === 0 ? 'fast' : 'immediate' })
      }
      await app.publish(Noted({ key: 'a', n: 3 }))
      await until(() => handled.has(3))
    })
  })
})

describe.skipIf(withoutPgbouncer !== '')('the store port', () => {
  let server: PostgresServer
  let pooler: Pgbouncer
  beforeAll(async () => {
    server = await startPostgres({ fsync: false })
    pooler = await pgbouncer(server, { server_round_robin: 1 })
  })
  afterAll(async () => {
    await pooler.stop()
    await server.stop()
  })
  conformance({
    name: 'postgres behind PgBouncer',
    describe: describeOnOwnServer,
    test: (name, body) => test(name, body, 30_000),
    async open() {
      const place = { url: pooler.url, schema: newName('test_') }
      return {
        connect: (host) => postgres(place.url, { schema: place.schema }).open(host),
        hold: (request, host) => holdOutbox(place, request, host),
        dispose: () =>
          execute(server.url, `drop schema if exists ${place.schema} cascade; drop table if exists stock, seen`),
      }
    },
  })
})

async function pooled(server: PostgresServer, settings: Record<string, string | number> = {}): Promise<Pgbouncer> {
  const made = await pgbouncer(server, settings)
  onTestFinished(() => made.stop())
  return made
}

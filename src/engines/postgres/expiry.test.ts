import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { until } from '../../delivery/fixtures/until.ts'
import { anEvent, append } from '../../store/conformance/index.ts'
import { gate, hostAt } from '../../store/conformance/suite.ts'
import { describeOnPostgres, postgresPlace } from '../../testing/postgres/fixtures/place.ts'
import { postgres } from './index.ts'

async function opened() {
  const { url, schema, dispose } = await postgresPlace()
  const store = await postgres(url, { schema }).open(hostAt({ now: 1_000 }))
  const client = new Client({ connectionString: url })
  await client.connect()
  onTestFinished(async () => {
    await client.end()
    await store.close()
    await dispose()
  })
  const count = async (from: string): Promise<number> => {
    const { rows } = await client.query<{ count: string }>(`select count(*) from ${schema}.${from}`)
    return Number(rows[0]?.count)
  }
  const publish = async (events: number) => {
    for (let n = 0; n < events; n++) {
      await store.append(append(anEvent()))
      await store.head()
    }
  }
  return { store, client, url, schema, count, publish }
}

describeOnPostgres('expiry on PostgreSQL', () => {
  test('what tells which transactions the log has seen is kept for the newest only', async () => {
    const { store, count, publish } = await opened()
    await publish(30)
    // Transactions of others on the server keep what is newer than they are.
    await until(async () => {
      await publish(1)
      await store.expire(0)
      return (await count('batches')) < 10
    })
    const head = await store.head()
    expect(await count('log')).toBe(head)
    const { events } = await store.readLog({ limit: 1_000 })
    expect(events.map(({ position }) => position)).toEqual(Array.from({ length: head }, (_, index) => index + 1))
  })

  test('of the ticks, so many are kept that a process finds the last one it saw', async () => {
    const { store, client, schema, count, publish } = await opened()
    await publish(1)
    await client.query(`insert into ${schema}.ticks (snapshot, position, recorded_at)
      select pg_current_snapshot(), 1, 1000 from generate_series(1, 51000)`)
    await store.expire(0)
    expect(await count('ticks')).toBe(50_000)
  })

  test('a process whose last tick is not kept any more is told of no loss', async () => {
    const { client, url, schema, publish } = await opened()
    const errors: string[] = []
    const host = hostAt({ now: 1_000 })
    const idle = await postgres(url, { schema }).open({
      ...host,
      logger: { ...host.logger, error: (message) => void errors.push(message) },
    })
    onTestFinished(() => idle.close())
    await idle.append(append(anEvent()))
    await idle.head()
    await publish(3)
    await client.query(`delete from ${schema}.ticks where id < (select max(id) from ${schema}.ticks)`)
    await client.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and application_name = $1',
      [schema],
    )
    await idle.append(append(anEvent()))
    expect(await idle.head()).toBe(5)
    expect(errors).toEqual([])
    const warnings = (await idle.describe?.())?.warnings ?? []
    expect(warnings.map(({ code }) => code)).not.toContain('store-behind')
  })

  test('an event whose transaction is open meanwhile gets its place', async () => {
    const { store, publish } = await opened()
    const begun = gate()
    const ended = gate()
    const late = anEvent()
    const transaction = store.transaction(async (tx) => {
      await tx.sql`select pg_current_xact_id()`
      begun.open()
      await ended.opened
      tx.append(append(late))
    })
    await begun.opened
    await publish(12)
    expect(await store.expire(0)).toBe(0)
    ended.open()
    await transaction
    await store.head()
    await store.expire(0)
    const { events } = await store.readLog({ after: 12, limit: 10 })
    expect(events.map(({ id, position }) => [id, position])).toEqual([[late.id, 13]])
  })

  test('events expire in any number, and those that stay keep their positions', async () => {
    const { store, count } = await opened()
    const batch = Array.from({ length: 4_500 }, (_, n) => anEvent({ expiresAt: n % 3 === 0 ? null : 5_000 }))
    await store.append(append(batch))
    expect(await store.expire(4_999)).toBe(0)
    expect(await store.expire(5_000)).toBe(3_000)
    expect(await store.expire(5_000)).toBe(0)
    expect(await count('events')).toBe(1_500)
    const { events } = await store.readLog({ after: 4_490, limit: 10 })
    expect(events.map(({ position }) => position)).toEqual([4_492, 4_495, 4_498])
    await store.append(append(anEvent()))
    expect(await store.head()).toBe(4_501)
  })

  test('what was abandoned is remembered for a day', async () => {
    const { store, client, schema, count } = await opened()
    await client.query(
      `insert into ${schema}.abandoned (attempt, at) values (1, now() - interval '25 hours'), (2, now() - interval '23 hours')`,
    )
    await store.expire(0)
    expect(await count('abandoned where attempt = 2')).toBe(1)
    expect(await count('abandoned')).toBe(1)
  })
})

import { Client, Pool } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { failure, until } from '../../delivery/fixtures/until.ts'
import { anEvent, append, expecting, identified } from '../../store/conformance/index.ts'
import { hostAt } from '../../store/conformance/suite.ts'
import type { AppendRequest } from '../../store/events.ts'
import { describeOnPostgres, postgresPlace } from '../../testing/postgres/fixtures/place.ts'
import { describeOnOwnServer, ownServer } from './fixtures/own-server.ts'
import { type PostgresPool, postgres } from './index.ts'

async function opened() {
  const { url, schema, dispose } = await postgresPlace()
  const open = () => postgres(url, { schema }).open(hostAt({ now: 1_000 }))
  const store = await open()
  onTestFinished(async () => {
    await store.close()
    await dispose()
  })
  return { store, url, schema, open }
}

async function withClient() {
  const given = await opened()
  const client = new Client({ connectionString: given.url })
  await client.connect()
  onTestFinished(() => client.end())
  return { ...given, client }
}

describeOnPostgres('appends that are asked for together', () => {
  test.each<[string, AppendRequest]>([
    ['of two tenants', append([anEvent({ tenant: 'a' }), anEvent({ tenant: 'b' })])],
    ['with a number that the server has no place for', append(anEvent({ version: 2 ** 40 }))],
  ])('what is refused because of itself alone refuses no other: %s', async (_, wrong) => {
    const { store } = await opened()
    const outcomes = await Promise.allSettled([
      store.append(append(anEvent({ stream: 'a-1' }))),
      store.append(wrong),
      store.append(append(anEvent({ stream: 'a-1' }))),
      store.append(append(anEvent(), [expecting('a-1', 2)])),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    expect(await store.head()).toBe(3)
  })

  test('many share one transaction, on one stream or on many, in the order of the calls', async () => {
    const { store, client, schema } = await withClient()
    const transactions = async () => {
      const { rows } = await client.query<{ count: number }>(`select count(*)::integer from ${schema}.batches`)
      return rows[0]?.count
    }
    const many = (streamOf: (n: number) => string) =>
      Promise.all(Array.from({ length: 200 }, (_, n) => store.append(append(anEvent({ stream: streamOf(n) })))))
    await many(() => 'hot-1')
    expect(await transactions()).toBe(1)
    await many((n) => `own-${n}`)
    expect(await transactions()).toBe(2)
    const { events } = await store.readLog({ limit: 1_000 })
    expect(events.slice(200, 400).map(({ stream }) => stream)).toEqual(
      Array.from({ length: 200 }, (_, n) => `own-${n}`),
    )
    const tooMany = Array.from({ length: 1_300 }, () => anEvent())
    await Promise.all(tooMany.map((event) => store.append(append(event))))
    const { events: all } = await store.readLog({ after: 400, limit: 2_000 })
    expect(all.map(({ id }) => id)).toEqual(tooMany.map(({ id }) => id))
  })

  test('what another transaction holds delays none of many others', async () => {
    const { store, client } = await withClient()
    await client.query('begin')
    await store.outbox(client).append(append([anEvent({ stream: 'held-1' }), identified('held')]))
    const others = Array.from({ length: 250 }, (_, n) => append(identified(`id-${n}`, '{}', { stream: `other-${n}` })))
    const held = [append(anEvent({ stream: 'held-1' })), append(identified('held'))]
    const waiting = Promise.all([...others, ...held].map((request) => store.append(request)).slice(-2))
    await until(async () => (await store.head()) === 250)
    await client.query('commit')
    expect((await waiting).map(({ duplicate, streams }) => [duplicate, streams[0]?.revision])).toEqual([
      [false, 2],
      [true, undefined],
    ])
  })

  test('of many streams, one that must not be there is held as well', async () => {
    const { store, client } = await withClient()
    await client.query('begin')
    await store.outbox(client).append(append(anEvent({ stream: 'zone-1' })))
    const others = Array.from({ length: 250 }, (_, n) => store.append(append(anEvent({ stream: `other-${n}` }))))
    const appended = store.append(append(anEvent(), [expecting('zone-1', 'none')]))
    const refused = failure(() => appended)
    for (let n = 0; n < 20; n++) await store.append(append(anEvent()))
    await client.query('commit')
    expect(await refused).toMatchObject({ code: 'revision-conflict' })
    await Promise.all(others)
  })

  test('an outbox takes more streams than the server has locks for', async () => {
    const { store, client } = await withClient()
    await client.query('begin')
    await store
      .outbox(client)
      .append(append(Array.from({ length: 20_000 }, (_, n) => anEvent({ stream: `many-${n}` }))))
    await client.query('commit')
    expect(await store.head()).toBe(20_000)
  })

  test('a duplicate of one of hundreds that are being written waits for them, and fails nobody', async () => {
    const { store, client, url } = await withClient()
    const events = Array.from({ length: 600 }, (_, n) => identified(`id-${n}`))
    await client.query('begin')
    await store.outbox(client).append(append(events))
    const again = events.slice(-8).map(async (event) => {
      const other = new Client({ connectionString: url })
      await other.connect()
      onTestFinished(() => other.end())
      await other.query('begin')
      const { duplicate } = await store.outbox(other).append(append(event))
      await other.query('commit')
      return duplicate
    })
    const all = Promise.all(again)
    for (let n = 0; n < 50; n++) await store.head()
    await client.query('commit')
    expect(await all).toEqual(Array(8).fill(true))
  })

  test('after a lost connection, what another has recorded under the same id is not taken for what was sent', async () => {
    const { store, url, schema } = await opened()
    const given = append(identified('same'))
    const pool = new Pool({ connectionString: url })
    let cut = false
    const cutting: PostgresPool = {
      async connect() {
        const client = await pool.connect()
        const query: (...args: unknown[]) => unknown = client.query.bind(client)
        return Object.assign(client, {
          async query(...args: unknown[]) {
            if (cut || !JSON.stringify(args).includes('.append($1')) return query(...args)
            cut = true
            await store.append(given)
            throw new Error('Connection terminated unexpectedly')
          },
        })
      },
      end: () => pool.end(),
      on: (event: 'error' | 'connect', listener: (given: never) => void) =>
        pool.on(event as 'error', listener as () => void),
    }
    const cutOff = await postgres(cutting, { schema }).open(hostAt({ now: 1_000 }))
    onTestFinished(async () => {
      await cutOff.close()
      await pool.end()
    })
    const [first, second] = await Promise.all([cutOff.append(given), cutOff.append(append(anEvent({ stream: 'a-1' })))])
    expect(cut).toBe(true)
    expect(first.duplicate).toBe(true)
    expect(await store.byIds(second.ids)).toHaveLength(1)
    expect(await store.head()).toBe(2)
  })

  test('whatever was accepted is recorded before the store closes', async () => {
    const { store, open } = await opened()
    const inline = { projections: [], run: async () => undefined }
    const appended = Promise.all([
      store.append({ ...append(anEvent()), inline }),
      store.append(append(anEvent())),
      store.append({ ...append(anEvent({ stream: 'a-1' })), inline }),
      store.append({ ...append(anEvent({ stream: 'a-1' })), inline }),
    ])
    await store.close()
    await appended
    const other = await open()
    onTestFinished(() => other.close())
    expect(await other.head()).toBe(4)
  })
})

describeOnOwnServer('a server that stays away', () => {
  test('an append that only checks fails when patience is over, as any other', async () => {
    const server = await ownServer()
    const store = await postgres(server.url, { busyTimeout: '300ms' }).open(hostAt({ now: 1_000 }))
    onTestFinished(() => store.close())
    await server.stop()
    for (const request of [append([], [expecting('a-1', 'none')]), append(anEvent())]) {
      expect(await failure(() => store.append(request))).toMatchObject({ code: 'store-unavailable' })
    }
  })
})

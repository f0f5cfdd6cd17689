import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type Client, Pool } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { until } from '../../delivery/fixtures/until.ts'
import { hodisa } from '../../index.ts'
import { anEvent, append } from '../../store/conformance/events.ts'
import { hostAt } from '../../store/conformance/suite.ts'
import { describeOnPostgres, postgresPlace } from '../../testing/postgres/fixtures/place.ts'
import { startPostgres } from '../../testing/postgres/index.ts'
import { connected, ordered, Placed, placed, shop } from './fixtures/outbox-shop.ts'
import { postgres } from './index.ts'

describeOnPostgres('an outbox on PostgreSQL', () => {
  test('with a client of pg, events go with the transaction of the user', async () => {
    const { app, client } = await shop()
    for (const [number, end] of [
      [1, 'commit'],
      [2, 'rollback'],
      [3, 'commit'],
    ] as const) {
      await client.query('begin')
      await client.query('insert into orders values ($1)', [number])
      await app.outbox(client).publish(Placed({ number }, { stream: 'order-1' }))
      expect(await placed(app), 'before the end of the transaction').not.toContain(number)
      await client.query(end)
    }
    expect(await placed(app)).toEqual([1, 3])
    expect(await ordered(client)).toEqual([1, 3])
    const next = await app.publish(Placed({ number: 4 }, { stream: 'order-1' }))
    expect(next.streams).toEqual([{ stream: 'order-1', revision: 3 }])
  })

  test('what is rolled back to a savepoint was never there, and its place in the stream is free', async () => {
    const { app, client } = await shop()
    const outbox = app.outbox(client)
    await client.query('begin')
    await outbox.publish(Placed({ number: 1 }, { stream: 'order-1' }))
    await client.query('savepoint half')
    await outbox.publish(Placed({ number: 2 }, { stream: 'order-1', id: 'second' }))
    await client.query('rollback to half')
    const { streams, duplicate } = await outbox.publish(Placed({ number: 3 }, { stream: 'order-1', id: 'second' }))
    expect({ streams, duplicate }).toEqual({ streams: [{ stream: 'order-1', revision: 2 }], duplicate: false })
    await client.query('commit')
    expect(await placed(app)).toEqual([1, 3])
  })

  test('a known id fails nothing: its first receipt comes back, and the transaction goes on', async () => {
    const { app, client } = await shop()
    const first = await app.publish(Placed({ number: 1 }, { id: 'once', stream: 'order-1' }))
    await client.query('begin')
    await client.query('insert into orders values (1)')
    const again = await app.outbox(client).publish(Placed({ number: 1 }, { id: 'once', stream: 'order-1' }))
    expect(again).toMatchObject({ ids: ['once'], duplicate: true, streams: first.streams })
    await client.query('insert into orders values (2)')
    await client.query('commit')
    expect(await ordered(client)).toEqual([1, 2])
    expect(await placed(app)).toEqual([1])
  })

  test('an id that is recorded with other content is refused, and the transaction can still commit', async () => {
    const { app, client } = await shop()
    await app.publish(Placed({ number: 1 }, { id: 'once' }))
    await client.query('begin')
    await client.query('insert into orders values (1)')
    await expect(app.outbox(client).publish(Placed({ number: 2 }, { id: 'once' }))).rejects.toMatchObject({
      code: 'id-reused',
    })
    await client.query('commit')
    expect(await ordered(client)).toEqual([1])
  })

  test('without a transaction it is refused, and nothing is recorded', async () => {
    const { app, client } = await shop()
    await expect(app.outbox(client).publish(Placed({ number: 1 }))).rejects.toMatchObject({
      code: 'outbox-no-transaction',
    })
    expect(await placed(app)).toEqual([])
  })

  test('documents go with the transaction of the user; without one, none is written', async () => {
    const { url, schema, client } = await shop()
    const store = await postgres(url, { schema }).open(hostAt({ now: 1_700_000_000_000 }))
    onTestFinished(() => store.close())
    await store.documents.define({ name: 'orders', indexes: [] })
    const request = { ...append(anEvent()), documents: [{ collection: 'orders', id: '1', data: '{}' }] }
    const outbox = store.outbox(client)
    await expect(outbox.append(request)).rejects.toMatchObject({ code: 'outbox-no-transaction' })
    expect(await store.documents.get('orders', ['1'])).toEqual(new Map())
    await client.query('begin')
    await outbox.append(request)
    await client.query('commit')
    expect(await store.documents.get('orders', ['1'])).toEqual(new Map([['1', '{}']]))
  })

  test('a connection to another database, or to one without a store, is refused', async () => {
    const { app, schema, url } = await shop()
    await using server = await startPostgres({ fsync: false })
    const empty = await connected(await server.createDatabase())
    await empty.query('begin')
    await expect(app.outbox(empty).publish(Placed({ number: 1 }))).rejects.toMatchObject({ code: 'outbox-other-store' })

    const twin = await server.createDatabase()
    const other = await hodisa({ source: 'shop', store: postgres(twin, { schema }), events: [Placed] })
    onTestFinished(() => other.stop())
    const elsewhere = await connected(twin)
    await elsewhere.query('begin')
    await expect(app.outbox(elsewhere).publish(Placed({ number: 1 }))).rejects.toMatchObject({
      code: 'outbox-other-store',
      details: { store: expect.stringContaining(new URL(url).host) },
    })
    await Promise.all([empty.query('rollback'), elsewhere.query('rollback')])
    expect(await placed(other)).toEqual([])
    await Promise.all([empty.end(), elsewhere.end(), other.stop()])
  })

  test('what is no connection is refused', async () => {
    const { app } = await shop()
    expect(() => app.outbox({} as never)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
    const odd = { query: async () => 'rows?' }
    await expect(app.outbox(odd).publish(Placed({ number: 1 }))).rejects.toMatchObject({ code: 'invalid-option' })
  })

  test('with two-phase commit, events come when the second phase commits, whoever sends it', async () => {
    await using server = await startPostgres({ fsync: false, maxPreparedTransactions: 4 })
    const { app, client, url } = await shop(await server.createDatabase())
    for (const [number, name] of [
      [1, 'kept'],
      [2, 'dropped'],
    ] as const) {
      await client.query('begin')
      await client.query('insert into orders values ($1)', [number])
      await app.outbox(client).publish(Placed({ number }, { stream: `order-${number}`, id: name }))
      await client.query(`prepare transaction '${name}'`)
    }
    await app.publish(Placed({ number: 3 }))
    expect(await placed(app), 'others are not held up').toEqual([3])
    const other = await connected(url)
    await other.query("commit prepared 'kept'")
    await other.query("rollback prepared 'dropped'")
    expect(await placed(app)).toEqual([3, 1])
    expect(await ordered(client)).toEqual([1])
    await Promise.all([client.end(), other.end(), app.stop()])
  })

  test('what a process committed right before it was killed is delivered by the next', async () => {
    const { url, schema, dispose } = await postgresPlace()
    onTestFinished(dispose)
    const child = spawn(process.execPath, [join(import.meta.dirname, 'fixtures/commit-and-die.ts'), url, schema], {
      stdio: 'inherit',
    })
    const [, signal] = await once(child, 'exit')
    expect(signal).toBe('SIGKILL')
    const app = await hodisa({ source: 'shop', store: postgres(url, { schema }), events: [Placed] })
    onTestFinished(() => app.stop())
    const handled: unknown[] = []
    app.service('email', { from: 'start' }).on(Placed, ({ data }) => {
      handled.push(data)
    })
    await app.start()
    await app.settled()
    expect(handled).toEqual([{ number: 1 }])
  })

  test('many transactions at once, on the same streams and ids, leave what one after the other would', async () => {
    const { app, url } = await shop()
    const pool = new Pool({ connectionString: url, max: 8 })
    onTestFinished(() => pool.end())
    await Promise.all(
      Array.from({ length: 40 }, async (_, number) => {
        const client = await pool.connect()
        try {
          await client.query('begin')
          const id = `id-${number % 10}`
          await app.outbox(client).publish(Placed({ number: number % 10 }, { stream: `order-${number % 5}`, id }))
          await client.query(number % 4 === 3 ? 'rollback' : 'commit')
        } finally {
          client.release()
        }
      }),
    )
    const found = await placed(app)
    // Every id was committed by at least two of the four that gave it.
    expect(found.toSorted((one, other) => one - other)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    for (let stream = 0; stream < 5; stream++) {
      const revisions: unknown[] = []
      for await (const event of app.read({ stream: `order-${stream}` })) revisions.push(event.revision)
      expect(revisions).toEqual([1, 2])
    }
  })

  test('more ids than are locked: who records the same at the same time waits, or is told to try again', async () => {
    const { app, url, client } = await shop()
    const [other, watching] = [await connected(url), await connected(url)]
    const publish = (to: Client, who: string) =>
      app
        .outbox(to)
        .publish([
          ...Array.from({ length: 4_000 }, (_, number) => Placed({ number }, { id: `evt_${who}${number}` })),
          Placed({ number: -1 }, { id: 'evt_both' }),
        ])
    await client.query('begin')
    await publish(client, 'a')
    await other.query('begin')
    const [{ pid }] = (await other.query('select pg_backend_pid() as pid')).rows
    const refused = publish(other, 'b').then(
      () => undefined,
      (error: unknown) => error,
    )
    const waiting = `select from pg_stat_activity where pid = ${pid} and wait_event_type = 'Lock'`
    await until(async () => (await watching.query(waiting)).rowCount === 1)
    await client.query('commit')
    // Which ids are locked is left to chance.
    if ((await refused) !== undefined) {
      expect(await refused).toMatchObject({ code: 'store-busy' })
      await other.query('rollback')
      await other.query('begin')
      await publish(other, 'b')
    }
    await other.query('commit')
    const numbers = await placed(app)
    expect(numbers.filter((number) => number === -1)).toHaveLength(1)
    expect(numbers).toHaveLength(8_001)
  })

  test('more than the server takes at once is refused, and the transaction goes on', async () => {
    const { app, url, schema, client } = await shop()
    const store = await postgres(url, { schema }).open(hostAt({ now: 1_700_000_000_000 }))
    onTestFinished(() => store.close())
    const data = JSON.stringify('x'.repeat(8_000_000))
    const large = append(Array.from({ length: 18 }, () => anEvent({ data })))
    await expect(store.append(large)).rejects.toMatchObject({ code: 'append-too-large' })
    await client.query('begin')
    await expect(store.outbox(client).append(large)).rejects.toMatchObject({ code: 'append-too-large' })
    await app.outbox(client).publish(Placed({ number: 1 }))
    await client.query('commit')
    expect(await placed(app)).toEqual([1])
  })

  test('an inline projection is registered when what was written without it is over', async () => {
    const { url, schema, dispose } = await postgresPlace()
    const store = await postgres(url, { schema, busyTimeout: '500ms' }).open(hostAt({ now: 1_000 }))
    onTestFinished(async () => {
      await store.close()
      await dispose()
    })
    const client = await connected(url)
    const order: string[] = []
    const view = { name: 'view@1', types: ['order.**'] }
    const begin = async () => {
      await client.query('begin')
      await store.outbox(client).append(append(anEvent({ type: 'order.placed' })))
    }
    await begin()
    const registered = store.inline(view).then(() => order.push('registered'))
    for (let n = 0; n < 20; n++) await store.head()
    order.push('committed')
    await client.query('commit')
    await registered
    expect(order).toEqual(['committed', 'registered'])
    expect(await store.head()).toBe(1)

    await store.inline({ ...view, types: [] })
    const other = { name: 'view@2', types: ['thing.**'] }
    await begin()
    await expect(store.inline(other)).rejects.toMatchObject({ code: 'store-busy' })
    await client.query('rollback')
    expect(await store.inlines()).toEqual([])
    await store.inline(other)
    expect(await store.inlines()).toEqual([other])
  })

  test('transactions that hold all connections of the pool wait for none of them', async () => {
    const { url, schema, dispose } = await postgresPlace()
    const pool = new Pool({ connectionString: url, max: 5 })
    const [store, other] = [
      await postgres(pool, { schema }).open(hostAt({ now: 1_000 })),
      await postgres(url, { schema }).open(hostAt({ now: 1_000 })),
    ]
    onTestFinished(async () => {
      await Promise.all([store.close(), other.close()])
      await pool.end()
      await dispose()
    })
    await other.inline({ name: 'view@1', types: ['thing.**'] })
    const clients = await Promise.all(Array.from({ length: 5 }, () => pool.connect()))
    try {
      const outcomes = await Promise.allSettled(
        clients.map(async (client, n) => {
          await client.query('begin')
          await store.outbox(client).append(append(anEvent({ type: n === 0 ? 'thing.happened' : 'order.placed' })))
          await client.query('commit')
        }),
      )
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', ...Array(4).fill('fulfilled')])
      await clients[0]?.query('rollback')
    } finally {
      for (const client of clients) client.release()
    }
    expect(await store.head()).toBe(4)
  })
})

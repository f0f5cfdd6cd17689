import { expect, test } from 'vitest'
import { Noted } from '../../delivery/fixtures/events.ts'
import { all, failure, until } from '../../delivery/fixtures/until.ts'
import { isHodisaError } from '../../errors.ts'
import { defineAggregate, defineEvent, reject, unchecked } from '../../index.ts'
import type { PostgresServer } from '../../testing/postgres/index.ts'
import { appOn, clientOf, describeOnOwnServer, ownServer, setAside, type TestApp } from './fixtures/own-server.ts'

const Paid = defineEvent('account.paid', { schema: unchecked<{ readonly amount: number }>() })

describeOnOwnServer('a server that has lost its last transactions', () => {
  test('is told of, and services go on with what it gives to the same positions', async () => {
    const server = await ownServer()
    const app = await appOn(server.url)
    const handled: number[] = []
    app.service('email', { from: 'start' }).on(Noted, ({ data }) => void handled.push(data.n))
    await effectsOf(app, server)
    await app.start()
    await publish(app, 0, 10)
    await app.settled()
    const { goBack } = await rememberState(server)
    await publish(app, 10, 40)
    await app.settled()
    await goBack()

    // Fewer, and then more, than were lost: what the process knows of their positions must not stand for them.
    for (const [first, last] of [
      [100, 110],
      [200, 300],
    ] as const) {
      await publish(app, first, last)
      const wanted = range(first, last)
      await until(() => wanted.every((n) => handled.includes(n)))
    }
    await app.settled()
    expect(await recorded(app)).toEqual([...range(0, 10), ...range(100, 110), ...range(200, 300)])
    expect(await effects(server)).toEqual(await recorded(app))
    expect(app.logger.lines).toContainEqual({
      level: 'error',
      message: expect.stringContaining('lost events'),
      fields: expect.objectContaining({ code: 'store-behind' }),
    })
    const { warnings } = await app.explain()
    expect(warnings).toContainEqual(expect.objectContaining({ code: 'store-behind' }))
    expect(await app.deadLetters.list()).toEqual([])
  })

  test('has its services go on in every process, whichever writes first', async () => {
    const server = await ownServer()
    const apps = [await appOn(server.url), await appOn(server.url)]
    const handled = new Set<number>()
    for (const app of apps) {
      app.service('email', { from: 'start' }).on(Noted, ({ data }) => void handled.add(data.n))
      await effectsOf(app, server)
      await app.start()
    }
    const [one, other] = apps
    if (one === undefined || other === undefined) throw new Error('no apps')
    await publish(one, 0, 20)
    await one.settled()
    const { goBack } = await rememberState(server)
    await publish(other, 20, 90)
    await one.settled()
    await goBack()
    const late = await appOn(server.url)
    await Promise.all([publish(late, 100, 300), publish(one, 300, 320), publish(other, 320, 340)])
    await until(() => range(100, 340).every((n) => handled.has(n)))
    await late.settled()
    expect(await effects(server)).toEqual(await recorded(late))
  })

  test('comes back in the midst of work, and each event it has takes effect once', { timeout: 300_000 }, async () => {
    const server = await ownServer()
    const apps = [await appOn(server.url), await appOn(server.url)]
    for (const app of apps) {
      await effectsOf(app, server)
      await app.start()
    }
    const [one, other] = apps
    if (one === undefined || other === undefined) throw new Error('no apps')
    await publish(one, 0, 50)
    const { goBack } = await rememberState(server)
    const over = new AbortController()
    const publishers = [one, other].map(async (app, index) => {
      for (let n = (index + 1) * 1_000; !over.signal.aborted; n += 10) {
        await publish(app, n, n + 10).catch((error: unknown) => {
          if (!isHodisaError(error, 'store-unavailable')) throw error
        })
      }
    })
    await until(async () => (await effects(server)).length > 60)
    await goBack()
    const before = (await effects(server)).length
    await until(async () => (await effects(server)).length > before + 20)
    over.abort()
    await Promise.all(publishers)
    await one.settled({ timeout: '2m' }) // the publishers were quicker
    expect(await effects(server)).toEqual(await recorded(one))
    expect(await one.deadLetters.list()).toEqual([])
  })

  test('ends what reads on behind the place where the log ends now', async () => {
    const server = await ownServer()
    const app = await appOn(server.url)
    await publish(app, 0, 5)
    expect(await recorded(app)).toEqual(range(0, 5))
    const { goBack } = await rememberState(server)
    const seen: number[] = []
    const tail = (async () => {
      for await (const { data } of app.tail({ from: 'start', types: Noted.type })) seen.push((data as { n: number }).n)
    })()
    const ended = failure(() => tail)
    await publish(app, 5, 10)
    await until(() => seen.length === 10)
    await goBack()
    expect(await ended).toMatchObject({ code: 'store-behind', details: { position: 10, head: 5 } })
    await publish(app, 20, 25)
    expect(await recorded(app)).toEqual([...range(0, 5), ...range(20, 25)])
  })

  test('has commands decided on what it has, whatever the process holds in memory', async () => {
    const server = await ownServer()
    const decides = { begun: Promise.withResolvers<void>(), goOn: Promise.withResolvers<void>() }
    const account = defineAggregate('account', {
      events: [Paid],
      initial: { balance: 0 },
      evolve: { 'account.paid': ({ balance }, { data }) => ({ balance: balance + data.amount }) },
      commands: {
        pay: ({ balance }, { amount }: { readonly amount: number }) =>
          balance + amount < 0 ? reject('insufficient-funds') : Paid({ amount }),
        paySlowly: async ({ balance }, { amount }: { readonly amount: number }) => {
          decides.begun.resolve()
          await decides.goOn.promise
          return balance + amount < 0 ? reject('insufficient-funds') : Paid({ amount })
        },
      },
    })
    const app = await appOn(server.url)
    const accounts = ['acc_1', 'acc_2', 'acc_3']
    for (const id of accounts) await app.execute(account, id, 'pay', { amount: 10 })
    const { goBack } = await rememberState(server)
    for (const id of accounts) await app.execute(account, id, 'pay', { amount: 1_000 })
    await app.settled()
    const slow = app.execute(account, 'acc_2', 'paySlowly', { amount: -500 })
    await decides.begun.promise
    await goBack()
    // The same revisions again, with other events.
    const other = await appOn(server.url)
    for (const id of accounts) await other.execute(account, id, 'pay', { amount: 5 })

    const rejected = { code: 'insufficient-funds' }
    const paid = await app.execute(account, 'acc_1', 'pay', { amount: -500 })
    expect(paid.rejection).toMatchObject(rejected)
    decides.goOn.resolve()
    expect((await slow).rejection).toMatchObject(rejected)
    expect(await app.load(account, 'acc_3')).toMatchObject({ state: { balance: 15 }, revision: 2 })
    const moved = await app.decide(
      [
        [account, 'acc_1'],
        [account, 'acc_3'],
      ],
      () => [Paid({ amount: -1 }), Paid({ amount: 1 })],
    )
    expect(moved.results).toMatchObject([{ state: { balance: 14 } }, { state: { balance: 16 } }])
  })

  test('is one that the process knows nothing of yet after a restart: nothing is told', async () => {
    const server = await ownServer()
    const app = await appOn(server.url)
    await publish(app, 0, 10)
    await all(app.read())
    await server.restart({ mode: 'immediate' })
    await publish(app, 10, 20)
    expect(await recorded(app)).toEqual(range(0, 20))
    expect(app.logger.lines.filter(({ level }) => level === 'error')).toEqual([])
    expect((await app.explain()).warnings.map(({ code }) => code)).not.toContain('store-behind')
  })
})

/** What it holds now comes back later in place of what it holds then. */
async function rememberState(server: PostgresServer): Promise<{ goBack(): Promise<void> }> {
  await server.down()
  const aside = setAside(server)
  await server.up()
  return {
    async goBack() {
      await server.down({ mode: 'immediate' })
      aside.putBack()
      await server.up()
    },
  }
}

/** A service that writes a row for each event, with the mark that it is done. */
async function effectsOf(app: TestApp, server: PostgresServer): Promise<void> {
  const client = await clientOf(server.url)
  await client.query('create table if not exists effects (n integer)')
  app.service('effects', { from: 'start' }).on(Noted, async ({ data }, ctx) => {
    await ctx.commit(async (tx) => void (await tx.sql`insert into effects values (${data.n})`))
  })
}

async function effects(server: PostgresServer): Promise<number[]> {
  const client = await clientOf(server.url)
  const { rows } = await client.query<{ n: number }>('select n from effects order by n')
  return rows.map(({ n }) => n)
}

async function publish(app: TestApp, first: number, end: number): Promise<void> {
  await Promise.all(range(first, end).map((n) => app.publish(Noted({ key: `k${n % 7}`, n }))))
}

async function recorded(app: TestApp): Promise<number[]> {
  const numbers = (await all(app.read({ types: Noted.type }))).map(({ data }) => (data as { n: number }).n)
  return numbers.sort((one, other) => one - other)
}

function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, index) => first + index)
}

import { expect, test } from 'vitest'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { all, failure, until } from '../delivery/fixtures/until.ts'
import { type App, reject } from '../index.ts'
import type { Store } from '../store/port.ts'
import { Account, AccountClosed, Deposited, Withdrawn } from './fixtures/account.ts'

// The machine may have other things to do.

function transfer(app: App, from: string, to: string, amount: number, id?: string) {
  return app.decide(
    [
      [Account, from],
      [Account, to],
    ],
    (payer) =>
      payer.balance < amount
        ? reject('insufficient-funds', { balance: payer.balance })
        : [Withdrawn({ amount }), Deposited({ amount })],
    id === undefined ? {} : { id, input: { amount } },
  )
}

eachEngine((bed) => {
  test('a transfer is recorded in both streams, or in none', async () => {
    const app = await bed().app()
    await app.execute(Account, 'a', 'deposit', { amount: 100 })
    const { results, receipt, rejection } = await transfer(app, 'a', 'b', 70)
    expect(rejection).toBeUndefined()
    expect(results).toMatchObject([
      { state: { balance: 30 }, revision: 2, events: [{ type: 'account.withdrawn', stream: 'account-a' }] },
      { state: { balance: 70 }, revision: 1, events: [{ type: 'account.deposited', stream: 'account-b' }] },
    ])
    expect(receipt.streams).toEqual([
      { stream: 'account-a', revision: 2 },
      { stream: 'account-b', revision: 1 },
    ])
    const [withdrawn, deposited] = results.flatMap(({ events }) => events)
    expect(deposited?.metadata.correlationId).toBe(withdrawn?.metadata.correlationId)

    expect(await transfer(app, 'a', 'b', 70)).toMatchObject({
      rejection: { code: 'insufficient-funds', details: { balance: 30 } },
      results: [
        { state: { balance: 30 }, events: [] },
        { state: { balance: 70 }, events: [] },
      ],
    })
    expect(await all(app.read())).toHaveLength(3)
  })

  test('the commands of the aggregates can be put together, and one no is a no of all', async () => {
    const app = await bed().app()
    await app.execute(Account, 'a', 'deposit', { amount: 100 })
    const both = (amount: number) =>
      app.decide(
        [
          [Account, 'b'],
          [Account, 'a'],
        ],
        async (to, from) => [Account.commands.deposit(to, { amount }), Account.commands.withdraw(from, { amount })],
      )
    expect(await both(60)).toMatchObject({ results: [{ state: { balance: 60 } }, { state: { balance: 40 } }] })
    expect(await both(60)).toMatchObject({ rejection: { code: 'insufficient-funds' } })
    expect(await all(app.read())).toHaveLength(3)
  })

  test('where somebody writes to one of them meanwhile, it is decided again', async () => {
    const shared = bed()
    const [app, other] = [await shared.app(), await shared.app()]
    await app.execute(Account, 'a', 'deposit', { amount: 100 })
    for (const disturbed of ['a', 'b']) {
      const seen: number[] = []
      const { results } = await app.decide(
        [
          [Account, 'a'],
          [Account, 'b'],
        ],
        async (from, to) => {
          seen.push(from.balance + to.balance)
          if (seen.length === 1) await other.execute(Account, disturbed, 'deposit', { amount: 1 })
          return [Withdrawn({ amount: 1 }), Deposited({ amount: 1 })]
        },
      )
      expect(seen[1]).toBe((seen[0] ?? 0) + 1)
      expect(results.reduce((sum, { state }) => sum + state.balance, 0)).toBe(seen[1])
    }
  })

  test('an aggregate that gets no event counts in the decision all the same', async () => {
    const shared = bed()
    const [app, other] = [await shared.app(), await shared.app()]
    let decisions = 0
    await app.decide(
      [
        [Account, 'a'],
        [Account, 'b'],
      ],
      async (_, guarded) => {
        decisions++
        if (decisions === 1) await other.execute(Account, 'b', 'deposit', { amount: 1 })
        return [guarded.balance === 0 ? Deposited({ amount: 1 }) : [], undefined]
      },
    )
    expect(decisions).toBe(2)
    expect(await app.load(Account, 'a')).toMatchObject({ exists: false })
  })

  test('states that never stood together decide nothing, not even a rejection', async () => {
    const shared = bed()
    const other = await shared.app()
    for (const id of ['a', 'b']) await other.execute(Account, id, 'deposit', { amount: 100 })
    let moved = false
    const app = await shared.app({}, (store) => {
      const readStream = store.readStream.bind(store)
      return Object.assign(store, {
        readStream: async (...args: Parameters<Store['readStream']>) => {
          const page = await readStream(...args)
          if (args[0].stream === 'account-a' && !moved) {
            moved = true
            await transfer(other, 'b', 'a', 100)
          }
          if (args[0].stream !== 'account-b') return page
          await until(() => moved)
          return readStream(...args)
        },
      })
    })
    const { results, rejection } = await app.decide(
      [
        [Account, 'a'],
        [Account, 'b'],
      ],
      (a, b) => (a.balance + b.balance === 200 ? [undefined, undefined] : reject('money-lost')),
    )
    expect(rejection).toBeUndefined()
    expect(results.map(({ state }) => state.balance)).toEqual([200, 0])
  })

  test('a hundred transfers in all directions at once keep the sum', async () => {
    const shared = bed()
    const apps = [await shared.app(), await shared.app()]
    const ids = ['a', 'b', 'c', 'd']
    for (const id of ids) await apps[0]?.execute(Account, id, 'deposit', { amount: 100 })
    const outcomes = await Promise.allSettled(
      Array.from({ length: 100 }, async (_, index) => {
        const app = apps[index % 2]
        const [from = '', to = ''] = [ids[index % 4], ids[(index + 1 + (Math.floor(index / 4) % 3)) % 4]]
        await app?.decide(
          [
            [Account, from],
            [Account, to],
          ],
          () => [Withdrawn({ amount: index }), Deposited({ amount: index })],
        )
      }),
    )
    expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([])
    const states = await Promise.all(ids.map((id) => apps[0]?.load(Account, id)))
    expect(states.reduce((sum, loaded) => sum + (loaded?.state.balance ?? 0), 0)).toBe(400)
  })

  test('a transfer with an id happens once, in another app too', async () => {
    const shared = bed()
    const [app, other] = [await shared.app(), await shared.app()]
    await app.execute(Account, 'a', 'deposit', { amount: 100 })
    const first = await transfer(app, 'a', 'b', 10, 'transfer_1')
    await app.execute(Account, 'b', 'deposit', { amount: 5 })
    const again = await transfer(other, 'a', 'b', 10, 'transfer_1')
    expect(again).toEqual({ ...first, receipt: { ...first.receipt, duplicate: true } })
    expect(await failure(() => transfer(other, 'a', 'b', 11, 'transfer_1'))).toMatchObject({ code: 'id-reused' })

    const refused = await transfer(app, 'b', 'a', 1_000, 'transfer_2')
    await app.execute(Account, 'b', 'deposit', { amount: 1_000 })
    expect(await transfer(other, 'b', 'a', 1_000, 'transfer_2')).toEqual(refused)
    expect(refused.rejection?.code).toBe('insufficient-funds')
  })

  test('what cannot be decided is said', async () => {
    const app = await bed().app()
    const code = async (attempt: () => unknown) => ((await failure(attempt)) as { code: string }).code
    const a = [Account, 'a'] as const
    expect(await code(() => app.decide([a, a], () => [undefined, undefined]))).toBe('invalid-option')
    expect(await code(() => app.decide([], () => []))).toBe('invalid-option')
    expect(await code(() => app.decide([a], () => [] as never))).toBe('invalid-decision')
    expect(await code(() => app.decide([a], () => undefined as never))).toBe('invalid-decision')
    expect(await code(() => app.decide([a], () => [reject('no'), AccountClosed({})] as never))).toBe('invalid-decision')
  })

  test('a store that cannot append to several streams refuses, but for one aggregate', async () => {
    const app = await bed().app({}, (store) =>
      Object.assign(store, { capabilities: { ...store.capabilities, multiStreamAppend: false } }),
    )
    expect(await failure(() => transfer(app, 'a', 'b', 1))).toMatchObject({
      code: 'capability-missing',
      details: { capability: 'multiStreamAppend' },
    })
    expect(await app.decide([[Account, 'a']], () => [Deposited({ amount: 1 })])).toMatchObject({
      results: [{ revision: 1 }],
    })
  })
})

import { expect, test } from 'vitest'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { all, failure } from '../delivery/fixtures/until.ts'
import { type Decision, defineAggregate, reject } from '../index.ts'
import { Account, Deposited, Withdrawn } from './fixtures/account.ts'

// The machine may have other things to do.

/** An aggregate whose one command is given with it, and may wait for what it likes. */
function racing<Input>(
  decide: (state: { readonly balance: number }, input: Input) => Promise<Decision<typeof Deposited | typeof Withdrawn>>,
) {
  return defineAggregate('account', {
    events: [Deposited, Withdrawn],
    initial: { balance: 0 },
    evolve: {
      'account.deposited': (state, { data }) => ({ balance: state.balance + data.amount }),
      'account.withdrawn': (state, { data }) => ({ balance: state.balance - data.amount }),
    },
    commands: { run: (state, input: Input) => decide(state, input) },
  })
}

/** Resolves for all when so many have come. */
function barrier(count: number): () => Promise<void> {
  const open = Promise.withResolvers<void>()
  let waiting = 0
  return () => {
    if (++waiting >= count) open.resolve()
    return open.promise
  }
}

eachEngine((bed) => {
  test('overtaken by another writer, a command is decided again on the newest state', async () => {
    const shared = bed()
    const [app, other] = [await shared.app(), await shared.app()]
    const seen: number[] = []
    const Racing = racing(async ({ balance }, times: number) => {
      seen.push(balance)
      if (seen.length <= times) await other.execute(Account, 'a', 'deposit', { amount: 10 })
      return Deposited({ amount: 1 })
    })
    expect(await app.execute(Racing, 'a', 'run', 3)).toMatchObject({ state: { balance: 31 }, revision: 4 })
    expect(seen).toEqual([0, 10, 20, 30])
  })

  test('it gives up with a typed error after so many attempts', async () => {
    const shared = bed()
    const [app, other] = [await shared.app(), await shared.app()]
    let decisions = 0
    const Racing = racing(async () => {
      decisions++
      await other.execute(Account, 'a', 'deposit', { amount: 10 })
      return Deposited({ amount: 1 })
    })
    expect(await failure(() => app.execute(Racing, 'a', 'run', undefined, { attempts: 3 }))).toMatchObject({
      code: 'revision-conflict',
      details: { attempts: 3, streams: ['account-a'], expectedRevision: 2, actualRevision: 3 },
    })
    expect(decisions).toBe(3)
    expect(await failure(() => app.execute(Racing, 'a', 'run', undefined))).toMatchObject({ details: { attempts: 50 } })
    expect(await other.load(Account, 'a')).toMatchObject({ state: { balance: 530 } })
  })

  test('that the state at hand was old counts as no attempt', async () => {
    const shared = bed()
    const [app, other] = [await shared.app(), await shared.app()]
    await app.execute(Account, 'a', 'deposit', { amount: 1 })
    await other.execute(Account, 'a', 'deposit', { amount: 1 })
    expect(await app.execute(Account, 'a', 'deposit', { amount: 1 }, { attempts: 1 })).toMatchObject({ revision: 3 })
  })

  test('an old state at hand makes no rejection, and no error', async () => {
    const shared = bed()
    const [app, other] = [await shared.app(), await shared.app()]
    const Racing = racing(async ({ balance }, how: 'reject' | 'throw' | 'nothing') => {
      if (balance === 10) return Withdrawn({ amount: 1 })
      if (how === 'throw') throw new Error('not ten')
      return how === 'reject' ? reject('not-ten') : undefined
    })
    for (const how of ['reject', 'throw', 'nothing'] as const) {
      const id = `account_${how}`
      await app.load(Racing, id)
      await other.execute(Account, id, 'deposit', { amount: 10 })
      expect(await app.execute(Racing, id, 'run', how), how).toMatchObject({ state: { balance: 9 }, revision: 2 })
    }
    expect(await failure(() => app.execute(Racing, 'empty', 'run', 'throw'))).toMatchObject({ message: 'not ten' })
  })

  test('an expected revision that does not hold is a conflict at once', async () => {
    const shared = bed()
    const [app, other] = [await shared.app(), await shared.app()]
    await app.execute(Account, 'a', 'deposit', { amount: 1 })
    await other.execute(Account, 'a', 'deposit', { amount: 1 })
    expect(
      await failure(() => app.execute(Account, 'a', 'deposit', { amount: 1 }, { expectedRevision: 1 })),
    ).toMatchObject({ code: 'revision-conflict', details: { expectedRevision: 1, actualRevision: 2 } })
    // What this app knew was 1.
    expect(await app.execute(Account, 'a', 'deposit', { amount: 1 }, { expectedRevision: 2 })).toMatchObject({
      revision: 3,
    })
  })

  test('twins that decide differently at the same time have the outcome of the first', async () => {
    const shared = bed()
    const decisions = [
      [],
      [Deposited({ amount: 1 })],
      [Deposited({ amount: 5 })],
      [Deposited({ amount: 1 }), Deposited({ amount: 2 })],
      reject('no'),
      reject('not at all'),
    ]
    const apps = [await shared.app(), await shared.app()]
    let pair = { decisions: decisions.slice(0, 2), both: barrier(2) }
    const Racing = apps.map((_, index) =>
      racing(async () => {
        await pair.both()
        return pair.decisions[index]
      }),
    )
    for (const [index, one] of decisions.entries()) {
      for (const [second, other] of decisions.entries()) {
        pair = { decisions: [one, other], both: barrier(2) }
        const outcomes = await Promise.all(
          Racing.map(async (Each, at) => {
            const app = apps[at] ?? (await shared.app())
            return app.execute(Each, `${index}-${second}`, 'run', 0, { id: 'req' })
          }),
        )
        const [first, last] = outcomes.map(({ state, revision, events, rejection }) => {
          return { state, revision, events, rejection }
        })
        expect(first).toEqual(last)
        const code = first?.rejection?.code
        expect(
          [one, other].some((decision) =>
            'code' in decision ? decision.code === code : decision.length === first?.events.length,
          ),
        ).toBe(true)
      }
    }
  })

  test('two writers without a break on one account lose nothing', async () => {
    const shared = bed()
    const apps = [await shared.app(), await shared.app()]
    await Promise.all(
      apps.map(async (app) => {
        for (let index = 0; index < 200; index++) await app.execute(Account, 'a', 'deposit', { amount: 1 })
      }),
    )
    for (const app of apps) expect(await app.load(Account, 'a')).toMatchObject({ state: { balance: 400 } })
  })

  test('ten thousand commands on a thousand accounts', async () => {
    const app = await bed().app()
    const executions = Array.from({ length: 10_000 }, (_, index) =>
      app.execute(Account, `acc_${index % 1_000}`, 'deposit', { amount: Math.floor(index / 1_000) }),
    )
    await Promise.all(executions)
    const accounts = await Promise.all(Array.from({ length: 1_000 }, (_, index) => app.load(Account, `acc_${index}`)))
    for (const account of accounts) expect(account).toMatchObject({ state: { balance: 45 }, revision: 10 })
    // In the order they came.
    const amounts = (await all(app.read({ stream: 'account-acc_7' }))).map(
      ({ data }) => (data as { amount: number }).amount,
    )
    expect(amounts).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('a command may not execute another', async () => {
    const app = await bed().app()
    const Racing = racing(async () => {
      await app.execute(Racing, 'a', 'run', 0)
      return undefined
    })
    expect(await failure(() => app.execute(Racing, 'a', 'run', 0))).toMatchObject({ code: 'nested-execution' })
  })
})

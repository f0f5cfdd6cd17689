/* What the compiler promises of app.execute, app.decide and app.load. Checked by `npm run typecheck`; nothing here runs. */
import type { App, Receipt } from '../index.ts'
import { Account, Deposited, Withdrawn } from './fixtures/account.ts'
import { type Rejection, reject } from './rejection.ts'
import type { AggregateEvent } from './types.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function holds<_Claim extends true>(): void {}

export async function executeTypes(app: App): Promise<void> {
  const { state, revision, events, receipt } = await app.execute(Account, 'acc_1', 'deposit', { amount: 300 })
  holds<Equal<typeof state, { readonly owner: string | null; readonly balance: number }>>()
  holds<Equal<typeof revision, number>>()
  holds<Equal<typeof events, readonly AggregateEvent<'account.deposited', { readonly amount: number }>[]>>()
  holds<Equal<typeof receipt, Receipt>>()

  const withdrawn = await app.execute(Account, 'acc_1', 'withdraw', { amount: 300 }, { id: 'req_1' })
  if (withdrawn.rejection === undefined) {
    holds<Equal<(typeof withdrawn.events)[number]['type'], 'account.withdrawn'>>()
  } else {
    holds<Equal<typeof withdrawn.events, readonly []>>()
    holds<Equal<typeof withdrawn.rejection, Rejection<'insufficient-funds', { balance: number }>>>()
  }

  await app.execute(Account, 'acc_1', 'close')
  await app.execute(Account, 'acc_1', 'close', undefined, { id: 'req_2' })

  // @ts-expect-error no such command
  await app.execute(Account, 'acc_1', 'steal', { amount: 300 })
  // @ts-expect-error the input has another type
  await app.execute(Account, 'acc_1', 'deposit', { amount: '300' })
  // @ts-expect-error the input is missing
  await app.execute(Account, 'acc_1', 'deposit')
  // @ts-expect-error the command takes no input
  await app.execute(Account, 'acc_1', 'close', { amount: 300 })
  // @ts-expect-error no such option
  await app.execute(Account, 'acc_1', 'close', undefined, { tries: 3 })

  const loaded = await app.load(Account, 'acc_1', { at: '2024-01-15' })
  holds<Equal<typeof loaded.state, typeof state>>()
}

export async function decideTypes(app: App): Promise<void> {
  const { results, rejection } = await app.decide(
    [
      [Account, 'a'],
      [Account, 'b'],
    ],
    (from, to) => {
      holds<Equal<typeof from.balance | typeof to.owner, number | string | null>>()
      return from.balance < 10 ? reject('too-poor') : [Withdrawn({ amount: 10 }), Deposited({ amount: 10 })]
    },
  )
  holds<Equal<typeof rejection, Rejection<'too-poor', undefined> | undefined>>()
  const [from, to] = results
  holds<Equal<typeof from.state.balance, number>>()
  holds<Equal<typeof to.revision, number>>()

  // The commands of the aggregates are at hand; asynchronous decisions, too.
  const composed = await app.decide(
    [
      [Account, 'a'],
      [Account, 'b'],
    ],
    async (from, to) => [
      Account.commands.withdraw(from, { amount: 1 }),
      [Account.commands.deposit(to, { amount: 1 }), Deposited({ amount: 2 })],
    ],
  )
  holds<Equal<typeof composed.rejection, Rejection<'insufficient-funds', { balance: number }> | undefined>>()

  await app.decide([[Account, 'a']], () => [undefined])
  // @ts-expect-error one entry for each aggregate
  await app.decide([[Account, 'a']], () => [undefined, undefined])
  // @ts-expect-error no event of the aggregate
  await app.decide([[Account, 'a']], () => [{ type: 'order.created', data: {} }])
}

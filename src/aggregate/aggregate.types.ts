/* What the compiler promises of aggregates. Checked by `npm run typecheck`; nothing here runs. */
import { defineEvent, unchecked } from '../event/definition.ts'
import { defineAggregate } from './definition.ts'
import { type Rejection, reject } from './rejection.ts'
import type { AggregateEvent, CommandArguments, CommandName, ResultOf, StateOf } from './types.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function holds<_Claim extends true>(): void {}

const AccountOpened = defineEvent('account.opened', { schema: unchecked<{ owner: string }>() })
const Deposited = defineEvent('account.deposited', { schema: unchecked<{ amount: number }>() })
const Withdrawn = defineEvent('account.withdrawn', { schema: unchecked<{ amount: number }>() })
const Other = defineEvent('other.happened', { schema: unchecked<{ what: string }>() })

const Account = defineAggregate('account', {
  events: [AccountOpened, Deposited, Withdrawn],
  initial: { balance: 0 },
  evolve: {
    'account.opened': (state) => ({ ...state, open: true }),
    'account.deposited': (state, event) => ({ ...state, balance: state.balance + event.data.amount }),
    'account.withdrawn': (state, event) => ({ ...state, balance: state.balance - event.data.amount }),
  },
  commands: {
    open: (state, input: { owner: string }, { revision }) =>
      revision > 0 ? reject('exists', { balance: state.balance }) : AccountOpened(input),
    deposit: (_, input: { amount: number }) => Deposited({ amount: input.amount }),
    withdraw: (state, input: { amount: number }) =>
      state.balance < input.amount ? reject('insufficient-funds', { balance: state.balance }) : Withdrawn(input),
    empty: (state) => (state.balance === 0 ? [] : [Withdrawn({ amount: state.balance })]),
    nothing: () => undefined,
    note: async (_, input?: { amount: number }) => (input === undefined ? undefined : Deposited(input)),
    close: async (state) =>
      state.balance < 0 ? reject('in-debt') : state.balance > 0 ? reject('not-empty', state.balance) : undefined,
  },
})
type Account = typeof Account

export function aggregateTypes(): void {
  holds<Equal<StateOf<Account>, { balance: number }>>()
  holds<Equal<CommandName<Account>, 'open' | 'deposit' | 'withdraw' | 'empty' | 'nothing' | 'note' | 'close'>>()
  holds<Equal<CommandArguments<Account['commands']['deposit'], 'o'>, [input: { amount: number }, options?: 'o']>>()
  holds<Equal<CommandArguments<Account['commands']['empty'], 'o'>, [input?: undefined, options?: 'o']>>()
  holds<
    Equal<CommandArguments<Account['commands']['note'], 'o'>, [input?: { amount: number } | undefined, options?: 'o']>
  >()

  type Withdraw = ResultOf<Account, 'withdraw'>
  holds<Equal<Withdraw['rejection'], Rejection<'insufficient-funds', { balance: number }> | undefined>>()
  holds<
    Equal<
      Extract<Withdraw, { rejection?: undefined }>['events'],
      readonly AggregateEvent<'account.withdrawn', { amount: number }>[]
    >
  >()
  holds<Equal<ResultOf<Account, 'deposit'>['rejection'], undefined>>()
  holds<Equal<ResultOf<Account, 'nothing'>['events'], readonly never[]>>()
  holds<Equal<ResultOf<Account, 'empty'>['events'][number]['type'], 'account.withdrawn'>>()
  type Reason = NonNullable<ResultOf<Account, 'close'>['rejection']>
  holds<Equal<Reason, Rejection<'in-debt', undefined> | Rejection<'not-empty', number>>>()

  defineAggregate('account', {
    events: [Deposited],
    initial: { balance: 0 },
    // @ts-expect-error no event of the aggregate
    evolve: { 'account.withdrawn': (state) => state },
    commands: {},
  })
  defineAggregate('account', {
    events: [Deposited],
    initial: { balance: 0 },
    // @ts-expect-error the event has no such member
    evolve: { 'account.deposited': (state, event) => ({ balance: state.balance + event.data.sum }) },
    commands: {},
  })
  defineAggregate('account', {
    events: [Deposited],
    initial: { balance: 0 },
    // @ts-expect-error not a state
    evolve: { 'account.deposited': () => ({ balance: 'much' }) },
    commands: {},
  })
  defineAggregate('account', {
    events: [Deposited],
    initial: { balance: 0 },
    evolve: {},
    // @ts-expect-error no event of the aggregate
    commands: { other: () => Other({ what: 'x' }) },
  })
  defineAggregate('account', {
    events: [Deposited],
    initial: { balance: 0 },
    evolve: {},
    // @ts-expect-error one of them is no event of the aggregate
    commands: { others: async () => [Deposited({ amount: 1 }), Other({ what: 'x' })] },
  })
  defineAggregate('account', {
    events: [Deposited],
    initial: { balance: 0 },
    evolve: {},
    // @ts-expect-error the state has no such member
    commands: { other: (state) => (state.sum > 1 ? reject('no') : undefined) },
  })
}

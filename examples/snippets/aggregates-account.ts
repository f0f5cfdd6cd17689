// #region define
import { defineAggregate, defineEvent, reject } from 'hodisa'
import { z } from 'zod'

const amount = z.object({ amount: z.number().positive() })

export const AccountOpened = defineEvent('account.opened', { schema: z.object({ owner: z.string() }) })
export const Deposited = defineEvent('account.deposited', { schema: amount })
export const Withdrawn = defineEvent('account.withdrawn', { schema: amount })

export const Account = defineAggregate('account', {
  events: [AccountOpened, Deposited, Withdrawn],
  initial: { open: false, balance: 0 },
  evolve: {
    'account.opened': (state) => ({ ...state, open: true }),
    'account.deposited': (state, event) => ({ ...state, balance: state.balance + event.data.amount }),
    'account.withdrawn': (state, event) => ({ ...state, balance: state.balance - event.data.amount }),
  },
  commands: {
    open: (state, input: { owner: string }) => (state.open ? reject('open-already') : AccountOpened(input)),
    deposit: (_, input: { amount: number }) => Deposited(input),
    withdraw: (state, input: { amount: number }) =>
      state.balance < input.amount ? reject('insufficient-funds', { balance: state.balance }) : Withdrawn(input),
    empty: (state) => (state.balance > 0 ? Withdrawn({ amount: state.balance }) : []), // no input, and maybe no event
  },
  snapshotEvery: 100,
})
// #endregion

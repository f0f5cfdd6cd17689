// #region given
import { given, rejected } from 'hodisa/testing'
import { Account, AccountOpened, Deposited, Withdrawn } from './aggregates-account.ts'

const opened = AccountOpened({ owner: 'ada' })

given(Account, [opened, Deposited({ amount: 100 })])
  .when('withdraw', { amount: 70 })
  .then([Withdrawn({ amount: 70 })])

given(Account, [opened, Deposited({ amount: 100 })])
  .when('withdraw', { amount: 170 })
  .then(rejected('insufficient-funds', { balance: 100 }))

given(Account, [opened]).when('empty').then([])

given(Account, [opened, Deposited({ amount: 100 })]).thenState({ open: true, balance: 100 })
// #endregion

import assert from 'node:assert/strict'
import { type App, hodisa, isHodisaError } from 'hodisa'
import { sqlite } from 'hodisa/sqlite'
import { Account, Deposited, Withdrawn } from './aggregates-account.ts'

const app = await hodisa({ source: 'bank', store: sqlite('bank.db'), events: [Deposited] })

// #region execute
await app.execute(Account, 'acc_1', 'open', { owner: 'ada' })
const { state, revision, events } = await app.execute(Account, 'acc_1', 'deposit', { amount: 300 })
console.log(state.balance, revision, events[0]?.data.amount) // 300 2 300
// #endregion
assert.deepEqual([state.balance, revision, events.length], [300, 2, 1])

// #region reject
const withdrawn = await app.execute(Account, 'acc_1', 'withdraw', { amount: 500 })
if (withdrawn.rejection === undefined) {
  console.log(`new balance: ${withdrawn.state.balance}`)
} else {
  const { code, details } = withdrawn.rejection // 'insufficient-funds', { balance: number }
  console.log(`${code}: there are only ${details.balance}`)
}
// #endregion
assert.equal(withdrawn.rejection?.code, 'insufficient-funds')

// #region id
const first = await app.execute(Account, 'acc_1', 'deposit', { amount: 50 }, { id: 'req_8f2c' })
const again = await app.execute(Account, 'acc_1', 'deposit', { amount: 50 }, { id: 'req_8f2c' })
console.log(first.state.balance, again.state.balance, again.receipt.duplicate) // 350 350 true
// #endregion
assert.deepEqual([first.state, again.receipt.duplicate], [again.state, true])

// #region expected
try {
  await app.execute(Account, 'acc_1', 'withdraw', { amount: 10 }, { expectedRevision: 1 })
} catch (error) {
  if (!isHodisaError(error, 'revision-conflict')) throw error
  console.log('the page that was shown is not what there is any more')
}
// #endregion

// #region load
const now = await app.load(Account, 'acc_1')
const then = await app.load(Account, 'acc_1', { revision: 2 })
const lastYear = await app.load(Account, 'acc_1', { at: '2024-01-15' })
console.log(now.state.balance, then.state.balance, lastYear.exists) // 350 300 false
// #endregion
assert.deepEqual([now.state.balance, then.state.balance, lastYear.exists], [350, 300, false])

// #region decide
async function transfer(app: App, from: string, to: string, amount: number, id: string) {
  return await app.decide(
    [
      [Account, from],
      [Account, to],
    ],
    (payer, payee) => [Account.commands.withdraw(payer, { amount }), Account.commands.deposit(payee, { amount })],
    { id, input: { amount } },
  )
}

await app.execute(Account, 'acc_2', 'open', { owner: 'bob' })
const { results, rejection } = await transfer(app, 'acc_1', 'acc_2', 100, 'transfer_1')
if (rejection === undefined) console.log(results.map(({ state }) => state.balance)) // [250, 100]
// #endregion
assert.deepEqual(
  results.map(({ state, events }) => [state.balance, events[0]?.type]),
  [
    [250, Withdrawn.type],
    [100, Deposited.type],
  ],
)

// #region handler
app.service('bonus', { from: 'start' }).on(Deposited, async (event) => {
  if (event.data.amount < 300 || event.stream === undefined) return
  const account = event.stream.replace('account-', '')
  await app.execute(Account, account, 'deposit', { amount: 5 }, { id: `bonus-${event.id}` }) // once, however often this runs
})
// #endregion
await app.start()
await app.settled()
assert.equal((await app.load(Account, 'acc_1')).state.balance, 255)
await app.stop()

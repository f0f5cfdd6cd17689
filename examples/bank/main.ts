import { type App, hodisa } from 'hodisa'
import { memory } from 'hodisa/memory'
import { Account } from './account.ts'

const app = await hodisa({ source: 'bank', store: memory() }) // or sqlite('bank.db')

// Commands are decided on the state, and what they decide is recorded as events.
await app.execute(Account, 'ada', 'open', { owner: 'Ada' })
await app.execute(Account, 'bob', 'open', { owner: 'Bob' })
const { state, revision } = await app.execute(Account, 'ada', 'deposit', { amount: 500_00 })
console.log(`Ada has ${euros(state.balance)} after ${revision} events`)

// No is an answer, not an error.
const { rejection } = await app.execute(Account, 'ada', 'withdraw', { amount: 700_00 })
if (rejection !== undefined)
  console.log(`700 € are too much: ${rejection.code}, she has ${euros(rejection.details.balance)}`)

// Two accounts, one decision: both change, or neither.
console.log(`Ada pays Bob 200 €: ${await transfer(app, 'ada', 'bob', 200_00, 'transfer_1')}`)
console.log(`the same again, by mistake: ${await transfer(app, 'ada', 'bob', 200_00, 'transfer_1')}`)
console.log(`Bob pays Ada 300 €: ${await transfer(app, 'bob', 'ada', 300_00, 'transfer_2')}`)

// Nothing is ever overwritten: every state there was can be seen again.
for (const revision of [1, 2, 3]) {
  const then = await app.load(Account, 'ada', { revision })
  console.log(`Ada after event ${revision}: ${euros(then.state.balance)}`)
}
const lastYear = await app.load(Account, 'ada', { at: new Date(Date.now() - 365 * 24 * 3_600_000) })
console.log(`Ada a year ago: ${lastYear.exists ? euros(lastYear.state.balance) : 'no account'}`)

for await (const event of app.read({ stream: 'account-ada' })) console.log(`${event.revision} ${event.type}`)
await app.stop()

async function transfer(app: App, from: string, to: string, amount: number, id: string): Promise<string> {
  const { results, rejection } = await app.decide(
    [
      [Account, from],
      [Account, to],
    ],
    (payer, payee) => [Account.commands.withdraw(payer, { amount }), Account.commands.deposit(payee, { amount })],
    { id, input: { amount } },
  )
  if (rejection !== undefined) return rejection.code
  return results.map(({ state }) => euros(state.balance)).join(' and ')
}

function euros(cents: number): string {
  return `${(cents / 100).toFixed(2)} €`
}

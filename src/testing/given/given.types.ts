/* What the compiler promises of given(…).when(…).then(…). Checked by `npm run typecheck`; nothing here runs. */
import { Account, Deposited } from '../../aggregate/fixtures/account.ts'
import { given, rejected } from '../index.ts'

export async function givenTypes(): Promise<void> {
  // @ts-expect-error no such command
  given(Account).when('steal')
  // @ts-expect-error the input is missing
  given(Account).when('deposit')
  // @ts-expect-error no event of the aggregate
  given(Account, [{ type: 'other.happened', data: {} }])
  // @ts-expect-error a code that the command does not reject with
  given(Account).when('withdraw', { amount: 1 }).then(rejected('not-found'))
  // @ts-expect-error a command that never rejects
  given(Account).when('deposit', { amount: 1 }).then(rejected('insufficient-funds'))
  // @ts-expect-error no state of the aggregate
  given(Account, [Deposited({ amount: 1 })]).thenState({ sum: 1 })
  // @ts-expect-error nothing is expected
  await given(Account).when('close')
  const done: Promise<void> = given(Account).when('close').then([])
  await done
}

import { AssertionError } from 'node:assert'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { Account, AccountClosed, AccountOpened, Deposited, Withdrawn } from '../../aggregate/fixtures/account.ts'
import { failure } from '../../delivery/fixtures/until.ts'
import { defineAggregate, defineEvent } from '../../index.ts'
import { given, rejected } from '../index.ts'

const opened = AccountOpened({ owner: 'ada' })

test('what a command records, or rejects with, is compared', () => {
  given(Account).when('open', { owner: 'ada' }).then([opened])
  given(Account, [opened]).when('open', { owner: 'ada' }).then(rejected('exists-already'))
  given(Account, [opened, Deposited({ amount: 100 })])
    .when('withdraw', { amount: 70 })
    .then([Withdrawn({ amount: 70 })])
  const poor = given(Account, [Deposited({ amount: 100 }), Withdrawn({ amount: 90 })]).when('withdraw', { amount: 70 })
  poor.then(rejected('insufficient-funds'))
  poor.then(rejected('insufficient-funds', { balance: 10 }))
})

test('so is the state that events lead to, with and without a command', () => {
  given(Account).thenState({ owner: null, balance: 0 })
  given(Account, [opened, Deposited({ amount: 1 })]).thenState({ owner: 'ada', balance: 1 })
  given(Account, [opened]).when('deposit', { amount: 5 }).thenState({ owner: 'ada', balance: 5 })
})

test('an asynchronous command is awaited', async () => {
  await given(Account).when('close').then([])
  await given(Account, [opened, Deposited({ amount: 5 })])
    .when('close')
    .then([Withdrawn({ amount: 5 }), AccountClosed({})])
  expect(await failure(() => given(Account, [opened]).when('close').then([]))).toBeInstanceOf(AssertionError)
})

test('what is otherwise fails at once, with both values and a diff', async () => {
  const rich = given(Account, [Deposited({ amount: 100 })])
  const wrong: [() => unknown, RegExp][] = [
    [() => rich.when('withdraw', { amount: 1 }).then([]), /account: withdraw[\s\S]*account\.withdrawn/],
    [() => rich.when('withdraw', { amount: 1 }).then([Withdrawn({ amount: 2 })]), /amount: 1[\s\S]*amount: 2/],
    [() => rich.when('withdraw', { amount: 1 }).then(rejected('insufficient-funds')), /insufficient-funds/],
    [() => rich.when('withdraw', { amount: 101 }).then([Withdrawn({ amount: 101 })]), /insufficient-funds/],
    [() => rich.when('withdraw', { amount: 101 }).then(rejected('insufficient-funds', { balance: 99 })), /99/],
    [() => rich.thenState({ owner: null, balance: 99 }), /account: the state[\s\S]*99/],
    [() => rich.when('deposit', { amount: 1 }).thenState({ owner: null, balance: 99 }), /deposit: the state/],
  ]
  for (const [attempt, message] of wrong) {
    let thrown: unknown
    try {
      attempt()
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(AssertionError)
    expect((thrown as AssertionError).message).toMatch(message)
  }
})

test('whoever awaits a command without an expectation is told so', async () => {
  const awaiting = async (thenable: unknown) => await thenable
  expect(await failure(() => awaiting(given(Account).when('close')))).toMatchObject({
    message: expect.stringContaining('without an expectation'),
  })
})

test('events go through their schemas, as they do when they are recorded', async () => {
  const Noted = defineEvent('list.noted', {
    schema: z.object({ text: z.string().trim(), tags: z.array(z.string()).default([]) }),
  })
  const Slow = defineEvent('list.slow', {
    schema: z.object({ text: z.string().refine(async (text) => text !== 'no') }),
  })
  const List = defineAggregate('list', {
    events: [Noted, Slow],
    initial: { lines: [] as readonly string[] },
    evolve: { 'list.noted': ({ lines }, { data }) => ({ lines: [...lines, `${data.text} ${data.tags.length}`] }) },
    commands: {
      note: (_, text: string, { id, revision }) => Noted({ text: `${text} of ${id} at ${revision}` }),
      slow: async (_, text: string) => Slow({ text }),
    },
  })
  given(List, [Noted({ text: ' a ' })]).thenState({ lines: ['a 0'] })
  given(List, [Noted({ text: 'a' })], { id: 'l1' })
    .when('note', 'b ')
    .then([Noted({ text: 'b  of l1 at 1', tags: [] })])
  expect(await failure(() => given(List, [Noted({ text: 1 } as never)]).thenState({ lines: [] }))).toMatchObject({
    code: 'invalid-data',
  })
  await given(List)
    .when('slow', 'yes')
    .then([Slow({ text: 'yes' })])
  expect(await failure(() => given(List).when('slow', 'no').then([]))).toMatchObject({ code: 'invalid-data' })
})

test('what is no command or event of the aggregate is refused', async () => {
  const untyped: { when(command: string): unknown } = given(Account) as never
  expect(await failure(() => untyped.when('steal'))).toMatchObject({ code: 'invalid-option' })
  const Other = defineEvent('other.happened')
  expect(await failure(() => given(Account, [Other({}) as never]).thenState(Account.initial))).toMatchObject({
    code: 'unknown-type',
  })
})

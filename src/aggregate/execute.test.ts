import { expect, test } from 'vitest'
import { systemClock } from '../clock.ts'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { all, failure, until } from '../delivery/fixtures/until.ts'
import { defineAggregate, defineEvent, defineProjection } from '../index.ts'
import { ACCOUNT_EVENTS, Account, accountWith, Deposited } from './fixtures/account.ts'

// The machine may have other things to do.

const Decided = defineEvent('slow.decided')

eachEngine((bed) => {
  test('a command records its events, and gives the state after them', async () => {
    const app = await bed().app()
    const opened = await app.execute(Account, 'acc_1', 'open', { owner: 'ada' })
    expect(opened).toMatchObject({ state: { owner: 'ada', balance: 0 }, revision: 1 })
    expect(opened.rejection).toBeUndefined()

    const { state, revision, events, receipt } = await app.execute(Account, 'acc_1', 'deposit', { amount: 300 })
    expect({ state, revision }).toEqual({ state: { owner: 'ada', balance: 300 }, revision: 2 })
    expect(receipt.streams).toEqual([{ stream: 'account-acc_1', revision: 2 }])
    const [, recorded] = await all(app.read({ stream: 'account-acc_1' }))
    expect(events).toEqual([{ ...recorded, position: undefined }])
    expect(receipt.ids).toEqual([recorded?.id])
  })

  test('a command may record several events, or none', async () => {
    const app = await bed().app()
    const none = await app.execute(Account, 'acc_1', 'close')
    expect(none).toMatchObject({ revision: 0, events: [], receipt: { ids: [], streams: [] } })
    await app.execute(Account, 'acc_1', 'open', { owner: 'ada' })
    await app.execute(Account, 'acc_1', 'deposit', { amount: 5 })
    const closed = await app.execute(Account, 'acc_1', 'close')
    expect(closed.events.map(({ type }) => type)).toEqual(['account.withdrawn', 'account.closed'])
    expect(closed).toMatchObject({ state: { owner: null, balance: 0 }, revision: 4 })
    const [first, second] = closed.events
    expect(second?.metadata.correlationId).toBe(first?.metadata.correlationId)
  })

  test('what is being executed when the app stops is finished, and waited for so long as it may take', async () => {
    const shared = bed()
    const app = await shared.app()
    const begun = Promise.withResolvers<void>()
    const decided = Promise.withResolvers<void>()
    const Slow = defineAggregate('slow', {
      events: [Decided],
      initial: {},
      evolve: {},
      commands: {
        decide: async () => {
          begun.resolve()
          await decided.promise
          return Decided({})
        },
      },
    })
    const executions = [app.execute(Slow, 'a', 'decide'), app.execute(Slow, 'a', 'decide')]
    await begun.promise
    const stopped = app.stop()
    await until(async () => (await app.load(Slow, 'a').catch((error) => error)).code === 'app-stopped')
    decided.resolve()
    expect((await Promise.all(executions)).map(({ revision }) => revision)).toEqual([1, 2])
    await stopped

    const stuck = await shared.app()
    const Stuck = defineAggregate('stuck', {
      events: [],
      initial: {},
      evolve: {},
      commands: { wait: () => new Promise<never>(() => undefined) },
    })
    void stuck.execute(Stuck, 'a', 'wait')
    await stuck.stop({ timeout: 1 })
  })

  test('a rejection is a result, with the state it was decided on', async () => {
    const app = await bed().app()
    await app.execute(Account, 'acc_1', 'deposit', { amount: 10 })
    const { rejection, state, revision, events } = await app.execute(Account, 'acc_1', 'withdraw', { amount: 11 })
    expect(rejection).toMatchObject({ code: 'insufficient-funds', details: { balance: 10 } })
    expect({ state, revision, events }).toEqual({ state: { owner: null, balance: 10 }, revision: 1, events: [] })
    expect(await all(app.read())).toHaveLength(1)
  })

  test('a state at hand that is old decides nothing', async () => {
    const shared = bed()
    const [here, there] = [await shared.app(), await shared.app()]
    await here.execute(Account, 'acc_1', 'deposit', { amount: 10 })
    await there.execute(Account, 'acc_1', 'deposit', { amount: 10 })
    // Appends: the store tells.
    expect(await here.execute(Account, 'acc_1', 'withdraw', { amount: 5 })).toMatchObject({ state: { balance: 15 } })
    // Rejects, as far as it knew: it looks again.
    await there.execute(Account, 'acc_1', 'deposit', { amount: 85 })
    expect(await here.execute(Account, 'acc_1', 'withdraw', { amount: 100 })).toMatchObject({ state: { balance: 0 } })
    // Does nothing, as far as it knew.
    await there.execute(Account, 'acc_1', 'open', { owner: 'ada' }).catch(() => undefined)
    await there.append([{ stream: 'account-acc_1', events: [] }])
    expect(await there.load(Account, 'acc_1')).toMatchObject({ state: { balance: 0 }, revision: 5 })
  })

  test('a thousand commands at once on one account all count', async () => {
    const app = await bed().app()
    await app.execute(Account, 'acc_1', 'deposit', { amount: 500 })
    const outcomes = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) =>
        index % 2 === 0
          ? app.execute(Account, 'acc_1', 'deposit', { amount: 1 })
          : app.execute(Account, 'acc_1', 'withdraw', { amount: 1 }),
      ),
    )
    expect(new Set(outcomes.map(({ revision }) => revision)).size).toBe(1_000)
    expect(await app.load(Account, 'acc_1')).toMatchObject({ state: { balance: 500 }, revision: 1_001 })
  })

  test('time travel: as of a revision, and as of a time', async () => {
    const app = await bed().app()
    const start = new Date()
    for (const amount of [1, 2, 3]) await app.execute(Account, 'acc_1', 'deposit', { amount })
    expect(await app.load(Account, 'acc_1', { revision: 2 })).toEqual({
      state: { owner: null, balance: 3 },
      revision: 2,
      exists: true,
    })
    expect(await app.load(Account, 'acc_1', { revision: 9 })).toMatchObject({ revision: 3 })
    expect(await app.load(Account, 'acc_1', { at: '2024-01-15' })).toMatchObject({ revision: 0, exists: false })
    expect(await app.load(Account, 'acc_1', { at: new Date(start.getTime() + 3_600_000) })).toMatchObject({
      revision: 3,
    })
    expect(await app.load(Account, 'other')).toEqual({ state: Account.initial, revision: 0, exists: false })
  })

  test('a clock that falls back makes no event older than the one before it', async () => {
    let now = Date.UTC(2024, 0, 1)
    const app = await bed().app({ clock: { ...systemClock, now: () => now-- } })
    const results = []
    for (let count = 0; count < 3; count++) results.push(await app.execute(Account, 'acc_1', 'deposit', { amount: 1 }))
    const timestamps = (await all(app.read())).map(({ timestamp }) => timestamp)
    expect(results.flatMap(({ events }) => events.map(({ timestamp }) => timestamp))).toEqual(timestamps)
    expect(new Set(timestamps).size).toBe(1)
  })

  test('a state cannot be changed by accident', async () => {
    const app = await bed().app()
    const { state } = await app.execute(Account, 'acc_1', 'deposit', { amount: 1 })
    expect(await failure(() => Object.assign(state, { balance: 1_000_000 }))).toBeInstanceOf(TypeError)
  })

  test('a view that is written with the events is written with those of commands', async () => {
    const app = await bed().app({ events: ACCOUNT_EVENTS })
    const Balances = defineProjection<{ readonly balance: number }>('balances', { version: 1, inline: true }).on(
      Deposited,
      (view, event) => view.set(event.stream ?? '', { balance: event.data.amount }),
    )
    await app.project(Balances)
    const { receipt } = await app.execute(Account, 'acc_1', 'deposit', { amount: 7 })
    expect(await app.view(Balances, { after: receipt }).get('account-acc_1')).toMatchObject({ balance: 7 })
    const refused = await app.execute(Account, 'acc_1', 'withdraw', { amount: 8 })
    expect(await app.view(Balances, { after: refused.receipt }).get('account-acc_1')).toMatchObject({ balance: 7 })
  })

  test('two aggregates of one name do not go into one app', async () => {
    const app = await bed().app()
    await app.load(Account, 'acc_1')
    expect(await failure(() => app.load(accountWith(), 'acc_1'))).toMatchObject({ code: 'duplicate-definition' })
  })
})

import { expect, test } from 'vitest'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { failure, until } from '../delivery/fixtures/until.ts'
import { defineAggregate, defineEvent, dropped, type EventKind, splitInto, unchecked } from '../index.ts'
import { Account, Deposited, Withdrawn } from './fixtures/account.ts'

// The machine may have other things to do.

type Given = Parameters<typeof defineAggregate>[1]

/** What a person without a type checker may write. */
function define(options: object): unknown {
  return defineAggregate('account', { events: [Deposited], initial: {}, evolve: {}, commands: {}, ...options } as Given)
}

test.each<EventKind>(['system', 'integration'])('events of kind %s are not recorded of aggregates', async (kind) => {
  const Signal = defineEvent('account.pinged', { kind })
  expect(await failure(() => define({ events: [Signal] }))).toMatchObject({
    code: 'invalid-definition',
    details: { aggregate: 'account', type: 'account.pinged', kind },
  })
})

test('an event that its definition puts in streams of another category is refused', async () => {
  const schema = unchecked<{ readonly id: string }>()
  const Elsewhere = defineEvent('order.created', { schema, stream: ({ id }) => id })
  expect(await failure(() => define({ events: [Elsewhere] }))).toMatchObject({ code: 'invalid-definition' })
  const Here = defineEvent('order.created', { schema, stream: ({ id }) => id, category: 'account' })
  const Anywhere = defineEvent('order.paid', { schema })
  expect(define({ events: [Here, Anywhere] })).toMatchObject({ name: 'account' })
})

test.each([
  ['an event twice', { events: [Deposited, Deposited] }],
  ['what is no event', { events: [{}] }],
  ['an entry of evolve for no event', { evolve: { 'account.withdrawn': () => ({}) } }],
  ['a version below 1', { version: 0 }],
  ['half an event between snapshots', { snapshotEvery: 0.5 }],
  ['a cache below nothing', { cache: -1 }],
])('%s is refused', async (_, options) => {
  expect(await failure(() => define(options))).toMatchObject({ code: 'invalid-definition' })
})

test.each([
  ['events', { events: Deposited }],
  ['evolve', { evolve: [] }],
  ['evolve["account.deposited"]', { evolve: { 'account.deposited': {} } }],
  ['commands', { commands: null }],
  ['commands.open', { commands: { open: 'x' } }],
])('%s of another type is refused by name', async (name, options) => {
  expect(await failure(() => define(options))).toMatchObject({
    code: 'invalid-option',
    message: expect.stringContaining(name),
  })
})

eachEngine((bed) => {
  test.each([
    ['something else', () => 'deposited'],
    ['an event of another aggregate', () => ({ type: 'order.created', data: {} })],
    ['a list in a list', () => [[Deposited({ amount: 1 })]]],
    ['an event with an id of its own', () => Deposited({ amount: 1 }, { id: 'mine' })],
    ['an event with a stream of its own', () => Deposited({ amount: 1 }, { stream: 'account-b' })],
    ['an event with a key', () => Deposited({ amount: 1 }, { key: 'k' })],
  ])('a command that returns %s is told so, and records nothing', async (_, run) => {
    const app = await bed().app()
    const Odd = define({ commands: { close: run } }) as typeof Account
    expect(await failure(() => app.execute(Odd, 'a', 'close'))).toMatchObject({
      code: 'invalid-decision',
      message: expect.stringContaining('command close'),
    })
    expect(await app.load(Odd, 'a')).toMatchObject({ exists: false })
  })

  test('an event that its own definition puts in another stream is not recorded', async () => {
    const app = await bed().app()
    const Opened = defineEvent('account.opened', {
      schema: unchecked<{ readonly id: string }>(),
      stream: ({ id }) => id,
    })
    const Checking = defineAggregate('account', {
      events: [Opened],
      initial: {},
      evolve: {},
      commands: { open: (_, id: string) => Opened({ id }) },
    })
    expect(await failure(() => app.execute(Checking, 'a', 'open', 'b'))).toMatchObject({ code: 'invalid-decision' })
    expect(await app.execute(Checking, 'a', 'open', 'a')).toMatchObject({ revision: 1 })
  })

  test('calls that make no sense are refused with what is wrong', async () => {
    const app = await bed().app()
    const loose = app as unknown as Record<'execute' | 'load', (...args: unknown[]) => Promise<unknown>>
    const code = async (attempt: () => unknown) => ((await failure(attempt)) as { code?: string }).code
    expect(await code(() => loose.execute(Account, 'a', 'steal'))).toBe('invalid-option')
    expect(await code(() => loose.execute(Account, 'a', 'toString'))).toBe('invalid-option')
    expect(await code(() => loose.execute(Account, '', 'close'))).toBe('invalid-option')
    expect(await code(() => loose.execute(Account, 7, 'close'))).toBe('invalid-option')
    expect(await code(() => loose.execute(Account, 'a\u0000', 'close'))).toBe('invalid-name')
    expect(await code(() => loose.execute({}, 'a', 'close'))).toBe('invalid-option')
    expect(await code(() => loose.execute(undefined, 'a', 'close'))).toBe('invalid-option')
    expect(await code(() => loose.execute(Account, 'a', 'close', undefined, { id: '' }))).toBe('invalid-option')
    expect(await code(() => loose.execute(Account, 'a', 'close', undefined, { attempts: 0 }))).toBe('invalid-option')
    expect(await code(() => loose.execute(Account, 'a', 'close', undefined, 'x'))).toBe('invalid-option')
    expect(await code(() => loose.load(Account, 'a', { at: 'yesterday' }))).toBe('invalid-option')
    expect(await code(() => loose.load(Account, 'a', { at: new Date(), revision: 1 }))).toBe('invalid-option')
    expect(await code(() => loose.load(Account, 'a', { revision: -1 }))).toBe('invalid-option')
    await app.stop()
    expect(await code(() => loose.load(Account, 'a'))).toBe('app-stopped')
  })

  test('invalid data is refused as publish refuses it', async () => {
    const app = await bed().app()
    const { z } = await import('zod')
    const Paid = defineEvent('bill.paid', { schema: z.object({ sum: z.number().positive() }) })
    const Bill = defineAggregate('bill', {
      events: [Paid],
      initial: { sum: 0 },
      evolve: { 'bill.paid': (state, { data }) => ({ sum: state.sum + data.sum }) },
      commands: { pay: (_, sum: number) => Paid({ sum }) },
    })
    expect(await failure(() => app.execute(Bill, 'b', 'pay', -1))).toMatchObject({ code: 'invalid-data' })
    expect(await app.execute(Bill, 'b', 'pay', 1)).toMatchObject({ state: { sum: 1 } })
  })

  test('an evolve that fails names the event, and nothing is recorded that it cannot take', async () => {
    const shared = bed()
    const app = await shared.app({ events: [Deposited] })
    const Fragile = define({
      initial: { sum: 0 },
      events: [Deposited, Withdrawn],
      evolve: {
        'account.deposited': (state: { sum: number }, { data }: { data: { amount: number } }) => {
          if (data.amount < 0) throw new Error('negative')
          return { sum: state.sum + data.amount }
        },
        'account.withdrawn': () => undefined,
      },
      commands: {
        deposit: (_: unknown, { amount }: { amount: number }) => Deposited({ amount }),
        withdraw: () => Withdrawn({ amount: 1 }),
      },
    }) as typeof Account
    expect(await failure(() => app.execute(Fragile, 'a', 'deposit', { amount: -1 }))).toMatchObject({
      code: 'evolve-failed',
    })
    expect(await failure(() => app.execute(Fragile, 'a', 'withdraw', { amount: 1 }))).toMatchObject({
      code: 'evolve-failed',
      message: expect.stringContaining('returned nothing'),
    })
    expect(await app.load(Fragile, 'a')).toMatchObject({ exists: false })

    const { ids } = await app.publish(Deposited({ amount: -7 }), { stream: 'account-b' })
    expect(await failure(() => app.load(Fragile, 'b'))).toMatchObject({
      code: 'evolve-failed',
      details: { aggregate: 'account', id: ids[0], type: 'account.deposited', revision: 1, stream: 'account-b' },
    })
  })

  test('an evolve that changes the state it was given is found out', async () => {
    const app = await bed().app()
    const Sloppy = define({
      initial: { sum: 0 },
      evolve: { 'account.deposited': (state: { sum: number }) => Object.assign(state, { sum: state.sum + 1 }) },
      commands: { deposit: () => Deposited({ amount: 1 }) },
    }) as typeof Account
    expect(await failure(() => app.execute(Sloppy, 'a', 'deposit', { amount: 1 }))).toMatchObject({
      code: 'evolve-failed',
      message: expect.stringContaining('read only'),
    })
  })

  test('Maps and Sets of a state are frozen too, at any depth: copies of them are what evolve returns', async () => {
    const amount = unchecked<{ readonly amount: number }>()
    const Paid = defineEvent('purse.paid', { schema: amount })
    const purse = (copied: boolean) =>
      defineAggregate('purse', {
        events: [Paid],
        initial: { notes: new Map<number, ReadonlySet<number>>(), seen: { amounts: new Set<number>() } },
        evolve: {
          'purse.paid': (state, { data }) => {
            const notes = copied ? new Map(state.notes) : state.notes
            notes.set(data.amount, new Set([...(notes.get(data.amount) ?? []), notes.size]))
            return { notes, seen: { amounts: new Set([...state.seen.amounts, data.amount]) } }
          },
        },
        commands: { pay: (_, given: number) => Paid({ amount: given }) },
      })
    const shared = bed()
    const app = await shared.app()
    const sloppy = await failure(() => app.execute(purse(false), 'a', 'pay', 5))
    expect(sloppy).toMatchObject({ code: 'evolve-failed', message: expect.stringContaining('new Map(state.items)') })
    const other = await shared.app()
    const Purse = purse(true)
    await other.execute(Purse, 'a', 'pay', 5)
    const { state } = await other.execute(Purse, 'a', 'pay', 10)
    expect([...state.notes]).toEqual([
      [5, new Set([0])],
      [10, new Set([1])],
    ])
    const mine = state.notes.get(5) as Set<number>
    for (const change of [() => state.seen.amounts.add(1), () => state.notes.clear(), () => mine.delete(0)]) {
      expect(change).toThrow(TypeError)
    }
    expect((await other.load(Purse, 'b')).state.notes.size).toBe(0)
  })

  test('what newer code recorded is not passed over', async () => {
    const shared = bed()
    const newer = await shared.app()
    await newer.execute(Account, 'a', 'open', { owner: 'ada' })
    const older = await shared.app()
    const Before = define({}) as typeof Account // knows deposits only
    expect(await failure(() => older.load(Before, 'a'))).toMatchObject({
      code: 'aggregate-too-old',
      details: { type: 'account.opened', version: 1, revision: 1, position: 1 },
    })

    const DepositedLater = defineEvent('account.deposited', {
      version: 2,
      schema: unchecked<{ readonly cents: number }>(),
      upcast: { 1: ({ amount }: { readonly amount: number }) => ({ cents: amount * 100 }) },
    })
    const newest = await shared.app({ events: [DepositedLater] })
    await newest.publish(DepositedLater({ cents: 1 }), { stream: 'account-b' })
    expect(await failure(() => older.load(Before, 'b'))).toMatchObject({
      code: 'aggregate-too-old',
      details: { type: 'account.deposited', version: 2 },
    })
  })

  test('renamed, split and dropped events have their say as what they are now', async () => {
    const amount = unchecked<{ readonly amount: number }>()
    const shared = bed()
    const PaidIn = defineEvent('account.paidIn', { schema: amount })
    const OpenedWith = defineEvent('account.opened', { schema: amount })
    const Blinked = defineEvent('account.blinked', { schema: amount })
    const old = await shared.app({ events: [PaidIn, OpenedWith, Blinked] })
    const stream = 'account-a'
    await old.publish([OpenedWith({ amount: 5 }), PaidIn({ amount: 7 }), Blinked({ amount: 1 })], { stream })

    const Put = defineEvent('account.put', { schema: amount, was: ['account.paidIn'] })
    const Opened = defineEvent('account.opened', {
      version: 2,
      upcast: { 1: (before: { readonly amount: number }) => splitInto({}, Put(before)) },
    })
    const Blinking = defineEvent('account.blinked', { version: 2, upcast: { 1: () => dropped } })
    const Renamed = defineAggregate('account', {
      events: [Opened, Put, Blinking],
      initial: { opened: 0, balance: 0, blinks: 0 },
      evolve: {
        'account.opened': (state) => ({ ...state, opened: state.opened + 1 }),
        'account.put': (state, { data }) => ({ ...state, balance: state.balance + data.amount }),
        'account.blinked': (state) => ({ ...state, blinks: state.blinks + 1 }),
      },
      commands: { put: (_, input: { readonly amount: number }) => Put(input) },
    })
    const app = await shared.app()
    expect(await app.execute(Renamed, 'a', 'put', { amount: 100 })).toMatchObject({
      state: { opened: 1, balance: 112, blinks: 0 },
      revision: 4,
    })
    expect(await (await shared.app()).load(Renamed, 'a')).toMatchObject({ state: { balance: 112 }, revision: 4 })
  })

  test('events of other kinds in its stream are none of its business', async () => {
    const shared = bed()
    const Pinged = defineEvent('account.pinged', { kind: 'system' })
    const app = await shared.app({ events: [Pinged] })
    await app.execute(Account, 'a', 'deposit', { amount: 1 })
    await app.publish(Pinged({}), { stream: 'account-a' })
    expect(await app.execute(Account, 'a', 'deposit', { amount: 1 })).toMatchObject({
      state: { balance: 2 },
      revision: 3,
    })
  })

  test('what a handler executes carries its event as the cause', async () => {
    const app = await bed().app({ events: [Deposited] })
    const executed: unknown[] = []
    app.service('mirror', { from: 'start' }).on(Deposited, async (event) => {
      if (event.stream !== undefined) return
      const { events } = await app.execute(Account, 'a', 'deposit', event.data, { id: event.id })
      executed.push(events[0]?.metadata)
    })
    await app.start()
    const { ids } = await app.publish(Deposited({ amount: 1 }), { correlationId: 'req_7' })
    await until(() => executed.length > 0)
    expect(executed[0]).toMatchObject({ correlationId: 'req_7', causationId: ids[0], source: 'test' })
    const { events } = await app.execute(
      Account,
      'a',
      'deposit',
      { amount: 1 },
      { correlationId: 'c', causationId: 'd', metadata: { by: 'ada' } },
    )
    expect(events[0]?.metadata).toEqual({ correlationId: 'c', causationId: 'd', source: 'test', by: 'ada' })
  })
})

import { expect, test } from 'vitest'
import { systemClock } from '../clock.ts'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { all, failure } from '../delivery/fixtures/until.ts'
import { type App, type Codec, defineAggregate, HodisaError, reject } from '../index.ts'
import type { Store } from '../store/port.ts'
import { Account, Deposited, Withdrawn } from './fixtures/account.ts'

// The machine may have other things to do.

const DAY = 24 * 3_600_000

/** An account that counts how often it decides. */
function counting() {
  const decisions: string[] = []
  const Purse = defineAggregate('purse', {
    events: [Deposited, Withdrawn],
    initial: { balance: 0 },
    evolve: {
      'account.deposited': (state, { data }) => ({ balance: state.balance + data.amount }),
      'account.withdrawn': (state, { data }) => ({ balance: state.balance - data.amount }),
    },
    commands: {
      deposit: (_, input: { readonly amount: number }) => {
        decisions.push('deposit')
        return Deposited(input)
      },
      withdraw: (state, { amount }: { readonly amount: number }) => {
        decisions.push('withdraw')
        return state.balance < amount ? reject('too-poor', { missing: amount - state.balance }) : Withdrawn({ amount })
      },
      /** As many coins as events. */
      pay: async (_, { coins }: { readonly coins: number }) => {
        decisions.push('pay')
        await new Promise((resolve) => setImmediate(resolve))
        return Array.from({ length: coins }, () => Deposited({ amount: 1 }))
      },
    },
  })
  return { Purse, decisions }
}

async function recorded(app: App): Promise<number> {
  return (await all(app.read())).length
}

eachEngine((bed) => {
  test('executed again, a command gives what it gave first, and decides nothing', async () => {
    const app = await bed().app()
    const { Purse, decisions } = counting()
    const first = await app.execute(Purse, 'p', 'pay', { coins: 11 }, { id: 'req_1' })
    expect(first).toMatchObject({ revision: 11, state: { balance: 11 }, receipt: { duplicate: false } })
    await app.execute(Purse, 'p', 'deposit', { amount: 100 })

    const again = await app.execute(Purse, 'p', 'pay', { coins: 11 }, { id: 'req_1' })
    expect(again).toEqual({ ...first, receipt: { ...first.receipt, duplicate: true } })
    expect(decisions).toEqual(['pay', 'deposit'])
    expect(await recorded(app)).toBe(12)
  })

  test('an id belongs to one command of one aggregate', async () => {
    const app = await bed().app()
    const { Purse } = counting()
    const id = 'req_1'
    await app.execute(Purse, 'p', 'deposit', { amount: 1 }, { id })
    await app.execute(Purse, 'p', 'withdraw', { amount: 1 }, { id })
    await app.execute(Purse, 'other', 'deposit', { amount: 1 }, { id })
    expect(await recorded(app)).toBe(3)
  })

  test('the same id with other input is refused, whatever came of the first', async () => {
    const app = await bed().app()
    const { Purse } = counting()
    const twice = async (command: 'pay' | 'withdraw', one: number, other: number) => {
      const input = (n: number) => ({ coins: n, amount: n })
      await app.execute(Purse, 'p', command, input(one), { id: 'req_1' })
      expect(await failure(() => app.execute(Purse, 'p', command, input(other), { id: 'req_1' }))).toMatchObject({
        code: 'id-reused',
      })
    }
    await twice('withdraw', 7, 8) // a rejection
    await twice('pay', 2, 3) // events
    const { Purse: Another } = counting()
    const fresh = await bed().app()
    await fresh.execute(Another, 'p', 'pay', { coins: 0 }, { id: 'req_1' }) // nothing
    expect(await failure(() => fresh.execute(Another, 'p', 'pay', { coins: 1 }, { id: 'req_1' }))).toMatchObject({
      code: 'id-reused',
    })
    expect(await recorded(fresh)).toBe(0)
  })

  test('a rejection stays one, though it would be accepted by now', async () => {
    const shared = bed()
    const app = await shared.app()
    const { Purse, decisions } = counting()
    const first = await app.execute(Purse, 'p', 'withdraw', { amount: 5 }, { id: 'req_1' })
    expect(first.rejection).toMatchObject({ code: 'too-poor', details: { missing: 5 } })
    await app.execute(Purse, 'p', 'deposit', { amount: 100 })

    for (const other of [app, await shared.app()]) {
      expect(await other.execute(Purse, 'p', 'withdraw', { amount: 5 }, { id: 'req_1' })).toEqual(first)
    }
    expect(decisions).toEqual(['withdraw', 'deposit'])
    expect((await app.execute(Purse, 'p', 'withdraw', { amount: 5 }, { id: 'req_2' })).rejection).toBeUndefined()
  })

  test('so does a command that had nothing to do', async () => {
    const app = await bed().app()
    const { Purse, decisions } = counting()
    const first = await app.execute(Purse, 'p', 'pay', { coins: 0 }, { id: 'req_1' })
    await app.execute(Purse, 'p', 'deposit', { amount: 1 })
    expect(await app.execute(Purse, 'p', 'pay', { coins: 0 }, { id: 'req_1' })).toEqual(first)
    expect(first).toMatchObject({ revision: 0, events: [], state: { balance: 0 } })
    expect(decisions).toEqual(['pay', 'deposit'])
  })

  test('a rejection is forgotten after a week, a success never', async () => {
    let now = Date.now()
    const clock = { ...systemClock, now: () => now }
    const app = await bed().app({ clock })
    const { Purse, decisions } = counting()
    await app.execute(Purse, 'p', 'withdraw', { amount: 5 }, { id: 'req_1' })
    await app.execute(Purse, 'p', 'deposit', { amount: 5 }, { id: 'req_1' })
    now += 7 * DAY - 1
    expect((await app.execute(Purse, 'p', 'withdraw', { amount: 5 }, { id: 'req_1' })).rejection).toBeDefined()
    now += 1
    expect((await app.execute(Purse, 'p', 'withdraw', { amount: 5 }, { id: 'req_1' })).rejection).toBeUndefined()
    now += 1_000 * DAY
    expect((await app.execute(Purse, 'p', 'withdraw', { amount: 5 }, { id: 'req_1' })).receipt.duplicate).toBe(true)
    expect((await app.execute(Purse, 'p', 'deposit', { amount: 5 }, { id: 'req_1' })).receipt.duplicate).toBe(true)
    expect(decisions).toEqual(['withdraw', 'deposit', 'withdraw'])
  })

  test('twins at the same time have one outcome, in one app or in two', async () => {
    const shared = bed()
    const apps = [await shared.app(), await shared.app()]
    const { Purse } = counting()
    for (let round = 0; round < 20; round++) {
      const outcomes = await Promise.all(
        [...apps, ...apps].map((app) => app.execute(Purse, 'p', 'pay', { coins: 3 }, { id: `pay_${round}` })),
      )
      expect(new Set(outcomes.map(({ revision }) => revision))).toEqual(new Set([(round + 1) * 3]))
      const ids = outcomes.map(({ events }) => events.map(({ id }) => id).join())
      expect(new Set(ids).size).toBe(1)
      expect(outcomes.filter(({ receipt }) => !receipt.duplicate)).toHaveLength(1)
    }
  })

  test('twins of which one would be rejected have one outcome', async () => {
    const shared = bed()
    const apps = [await shared.app(), await shared.app()]
    const { Purse } = counting()
    for (let round = 0; round < 20; round++) {
      const id = `req_${round}`
      const [one, other] = await Promise.all([
        apps[0]?.execute(Purse, `p${round}`, 'withdraw', { amount: 1 }, { id }),
        apps[1]
          ?.execute(Purse, `p${round}`, 'deposit', { amount: 1 })
          .then(() => apps[1]?.execute(Purse, `p${round}`, 'withdraw', { amount: 1 }, { id })),
      ])
      expect(one?.rejection?.code).toBe(other?.rejection?.code)
      expect(one?.revision).toBe(other?.revision)
    }
  })

  test('a command that succeeds elsewhere while its state is loaded is not decided on what it did itself', async () => {
    const shared = bed()
    const { Purse } = counting()
    const id = 'req_1'
    const other = await shared.app()
    let first = true
    const app = await shared.app({}, (store) => {
      const readStream = store.readStream.bind(store)
      return Object.assign(store, {
        readStream: async (...args: Parameters<Store['readStream']>) => {
          if (first) {
            first = false
            await other.execute(Purse, 'p', 'deposit', { amount: 1 })
            await other.execute(Purse, 'p', 'withdraw', { amount: 1 }, { id })
          }
          return readStream(...args)
        },
      })
    })
    const { rejection, events } = await app.execute(Purse, 'p', 'withdraw', { amount: 1 }, { id })
    expect(rejection).toBeUndefined()
    expect(events).toMatchObject([{ type: 'account.withdrawn', revision: 2 }])
  })

  test('a write whose answer was lost counts once, and is not decided on the state before it', async () => {
    const shared = bed()
    let lost = false
    const app = await shared.app({}, (store) => {
      const append = store.append.bind(store)
      return Object.assign(store, {
        append: async (...args: Parameters<Store['append']>) => {
          const receipt = await append(...args)
          if (!lost) return receipt
          lost = false
          throw new HodisaError('store-unavailable', 'the answer was lost')
        },
      })
    })
    const { Purse, decisions } = counting()
    const lostOnce = async (id?: string) => {
      lost = true
      const options = id === undefined ? {} : { id }
      return failure(() => app.execute(Purse, 'p', 'pay', { coins: 2 }, options))
    }
    expect(await lostOnce('req_1')).toMatchObject({ code: 'store-unavailable' })
    expect(await app.execute(Purse, 'p', 'pay', { coins: 2 }, { id: 'req_1' })).toMatchObject({ revision: 2 })
    expect(await lostOnce()).toMatchObject({ code: 'store-unavailable' })
    expect(await app.execute(Purse, 'p', 'withdraw', { amount: 4 })).toMatchObject({ state: { balance: 0 } })
    expect(decisions).toEqual(['pay', 'pay', 'withdraw'])
  })

  test('an id that an event was published with means nothing to a command', async () => {
    const app = await bed().app({ events: [Deposited] })
    await app.publish(Deposited({ amount: 9 }, { id: 'req_1' }))
    expect(await app.execute(Account, 'a', 'deposit', { amount: 1 }, { id: 'req_1' })).toMatchObject({ revision: 1 })
  })

  test('what a codec makes of data, it makes of outcomes', async () => {
    const shared = bed()
    const encoded: string[] = []
    const codec: Codec = {
      name: 'hex',
      encode: async (text, { type }) => {
        encoded.push(type)
        return Buffer.from(text).toString('hex')
      },
      decode: (text) => Buffer.from(text, 'hex').toString(),
    }
    const app = await shared.app({ codec })
    const { Purse } = counting()
    const first = await app.execute(Purse, 'p', 'withdraw', { amount: 5 }, { id: 'req_1' })
    const other = await shared.app({ codec })
    expect(await other.execute(Purse, 'p', 'withdraw', { amount: 5 }, { id: 'req_1' })).toEqual(first)
    expect(encoded).toEqual(['hodisa.outcome'])
  })

  test('the input of a command with an id must be JSON', async () => {
    const app = await bed().app()
    const { Purse } = counting()
    const input = { coins: 1, since: new Date() }
    expect(await failure(() => app.execute(Purse, 'p', 'pay', input, { id: 'req_1' }))).toMatchObject({
      code: 'unserialisable-data',
      message: expect.stringContaining('input.since'),
    })
  })
})

import { expect, test } from 'vitest'
import { type Bed, eachEngine } from '../delivery/fixtures/bed.ts'
import { until } from '../delivery/fixtures/until.ts'
import { type AnyEventDefinition, type App, type Codec, defineAggregate, type HodisaOptions } from '../index.ts'
import type { Store } from '../store/port.ts'
import { ACCOUNT_EVENTS, Account, accountWith, Deposited } from './fixtures/account.ts'

// The machine may have other things to do.

const STREAM = 'account-a'

/** An app, with its store to look at and to spoil, and a count of the events it has read from streams. */
async function observed(bed: Bed, options: Partial<HodisaOptions<readonly AnyEventDefinition[]>> = {}) {
  const stores: Store[] = []
  const read = { events: 0, calls: 0 }
  const app = await bed.app(options, (store) => {
    stores.push(store)
    const readStream = store.readStream.bind(store)
    return Object.assign(store, {
      readStream: async (...args: Parameters<Store['readStream']>) => {
        const page = await readStream(...args)
        read.events += page.length
        read.calls++
        return page
      },
    })
  })
  const [store] = stores
  if (store === undefined) throw new Error('no store was opened')
  const snapshot = async () => (await store.documents.get('hodisa.snapshots', [STREAM])).get(STREAM)
  const put = (data: string) => store.documents.write([{ collection: 'hodisa.snapshots', id: STREAM, data }])
  return { app, read, snapshot, put }
}

async function deposit(app: App, aggregate: typeof Account, times: number): Promise<void> {
  for (let time = 0; time < times; time++) await app.execute(aggregate, 'a', 'deposit', { amount: 1 })
}

eachEngine((bed) => {
  test('a state is put together from the last snapshot on, however long the stream', async () => {
    const shared = bed()
    const writing = await shared.app({ events: [Deposited] })
    const Often = accountWith({ snapshotEvery: 100, cache: false })
    const before = Array.from({ length: 1_200 }, () => Deposited({ amount: 1 }))
    await writing.append([{ stream: STREAM, events: before }])
    await deposit(writing, Often, 101)
    await writing.stop() // which waits for the snapshot
    const { app, read } = await observed(shared)
    const { state, revision } = await app.load(Often, 'a')
    expect({ state, revision }).toMatchObject({ state: { balance: 1_301 }, revision: 1_301 })
    expect(read.events).toBeLessThanOrEqual(100)
  })

  test('a snapshot that is newer than what is asked for is left alone', async () => {
    const shared = bed()
    const Often = accountWith({ snapshotEvery: 2, cache: false })
    const writing = await shared.app()
    await deposit(writing, Often, 9)
    await writing.stop()
    const app = await shared.app()
    for (const revision of [0, 1, 5, 9]) {
      expect(await app.load(Often, 'a', { revision })).toMatchObject({ state: { balance: revision }, revision })
    }
    expect(shared.logger.lines).toEqual([])
  })

  test('a warm aggregate is executed without a read', async () => {
    const { app, read } = await observed(bed())
    await deposit(app, Account, 1)
    const before = read.calls
    await deposit(app, Account, 50)
    expect(read.calls).toBe(before)
  })

  test('as many states are at hand as the aggregate says', async () => {
    const { app, read } = await observed(bed())
    const Two = accountWith({ cache: 2 })
    const reads = async (id: string) => {
      const before = read.calls
      await app.execute(Two, id, 'deposit', { amount: 1 })
      return read.calls - before
    }
    for (const id of ['a', 'b', 'a', 'c']) await reads(id)
    expect(await reads('a')).toBe(0)
    expect(await reads('c')).toBe(0)
    expect(await reads('b')).toBe(1) // the one that was used least
  })

  test('a snapshot of another version of the aggregate is ignored, and said to be once', async () => {
    const shared = bed()
    const old = await shared.app()
    const First = accountWith({ snapshotEvery: 2 })
    await deposit(old, First, 5)
    await old.stop()
    const Second = defineAggregate('account', {
      events: ACCOUNT_EVENTS,
      version: 2,
      initial: { sum: 0 },
      evolve: { 'account.deposited': ({ sum }, { data }) => ({ sum: sum + data.amount * 100 }) },
      commands: {},
      snapshotEvery: 2,
      cache: false,
    })
    const { app, snapshot } = await observed(shared)
    expect((await app.load(Second, 'a')).state).toEqual({ sum: 500 })
    await app.load(Second, 'a')
    expect(shared.logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
    expect(shared.logger.said('warn', 'version 1, not 2')).toBe(true)
    // A state of its own takes its place.
    await until(async () => JSON.parse((await snapshot()) ?? '{}').version === 2)
    expect((await app.load(Second, 'a')).state).toEqual({ sum: 500 })
  })

  test.each([
    ['is no JSON', () => 'x'],
    ['has another shape', () => '{"version":1}'],
    ['is of another log', (text: string) => text.replace(/"event":"[^"]+"/, '"event":"evt_other"')],
    ['is ahead of the log', (text: string) => text.replace(/"revision":\d+/, '"revision":50')],
    ['is encoded with what the app does not have', (text: string) => text.replace('"encoding":null', '"encoding":"x"')],
  ])('a snapshot that %s is ignored, and replaced', async (_, spoil) => {
    const shared = bed()
    const Often = accountWith({ snapshotEvery: 3 })
    const { app: first, snapshot, put } = await observed(shared)
    await deposit(first, Often, 4)
    await until(async () => (await snapshot()) !== undefined)
    await put(spoil((await snapshot()) ?? ''))

    const second = await shared.app()
    expect(await second.load(Often, 'a')).toMatchObject({ state: { balance: 4 }, revision: 4 })
    expect(shared.logger.said('warn', STREAM)).toBe(true)
    await deposit(second, Often, 1)
    await second.stop()
    expect(JSON.parse((await snapshot()) ?? '{}')).toMatchObject({
      revision: expect.any(Number),
      event: expect.stringMatching(/^evt_/),
    })
    expect(await (await shared.app()).load(Often, 'a')).toMatchObject({ state: { balance: 5 } })
  })

  test('a state that JSON cannot carry has no snapshot, and the aggregate goes on', async () => {
    const shared = bed()
    const WithMap = defineAggregate('account', {
      events: [Deposited],
      initial: { amounts: new Map<string, number>() },
      evolve: {
        'account.deposited': ({ amounts }, { id, data }) => ({ amounts: new Map([...amounts, [id, data.amount]]) }),
      },
      commands: { deposit: (_, input: { readonly amount: number }) => Deposited(input) },
      snapshotEvery: 1,
    })
    const app = await shared.app()
    for (const amount of [1, 2, 3]) await app.execute(WithMap, 'a', 'deposit', { amount })
    await app.stop()
    const said = shared.logger.lines.filter(({ level }) => level === 'error')
    expect(said).toHaveLength(1)
    expect(said[0]?.message).toContain('state.amounts is a Map')
  })

  test('a store that refuses snapshots stops nobody', async () => {
    const shared = bed()
    const app = await shared.app({}, (store) =>
      Object.assign(store, {
        documents: { ...store.documents, define: () => Promise.reject(new Error('no documents today')) },
      }),
    )
    const Often = accountWith({ snapshotEvery: 1 })
    await deposit(app, Often, 3)
    expect(await app.load(Often, 'a')).toMatchObject({ state: { balance: 3 } })
    await app.stop()
    expect(shared.logger.said('warn', 'no documents today')).toBe(true)
    expect(shared.logger.said('error', 'no documents today')).toBe(true)
  })

  test('a codec makes of snapshots what it makes of data', async () => {
    const shared = bed()
    const codec: Codec = {
      name: 'hex',
      encode: async (text) => Buffer.from(text).toString('hex'),
      decode: async (text) => Buffer.from(text, 'hex').toString(),
    }
    const Often = accountWith({ snapshotEvery: 2 })
    const { app } = await observed(shared, { codec })
    await app.execute(Often, 'a', 'open', { owner: 'ada lovelace' })
    await deposit(app, Often, 3)
    await app.stop()
    const { app: other, read, snapshot: kept } = await observed(shared, { codec })
    await until(async () => (await kept()) !== undefined)
    expect(await kept()).not.toContain('lovelace')
    expect(await other.load(Often, 'a')).toMatchObject({ state: { owner: 'ada lovelace', balance: 3 } })
    expect(read.events).toBeLessThan(4)
  })
})

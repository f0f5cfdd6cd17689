import { expect, test } from 'vitest'
import { type App, defineEvent, PermanentError, type ServiceOptions, unchecked } from '../index.ts'
import { type Bed, eachEngine } from './fixtures/bed.ts'
import { until } from './fixtures/until.ts'

const Placed = defineEvent('order.placed', { schema: unchecked<{ key: string; n: number; bad?: boolean }>() })
const Paid = defineEvent('order.paid', { schema: unchecked<{ key: string; n: number; bad?: boolean }>() })

interface Shop {
  readonly app: App<[typeof Placed, typeof Paid]>
  /** What was handled well, as `key:n`. */
  readonly handled: string[]
  /** Every attempt, as `key:n`. */
  readonly tried: string[]
  /** Whether bad events fail still. */
  broken: boolean
}

async function shopOn(bed: Bed, options: ServiceOptions = {}, services = ['email']): Promise<Shop> {
  const app = await bed.app({ events: [Placed, Paid] })
  const shop: Shop = { app, handled: [], tried: [], broken: true }
  for (const name of services) {
    app.service(name, { from: 'start', concurrency: 8, ...options }).on('order.*', (event) => {
      const { key, n, bad = false } = event.data as { key: string; n: number; bad?: boolean }
      shop.tried.push(`${key}:${n}`)
      if (bad && shop.broken) throw new PermanentError(`cannot take ${key}:${n}`)
      if (key !== 'good') shop.handled.push(`${key}:${n}`)
    })
  }
  await app.start()
  return shop
}

/** Events of these keys; the first of each key is bad. Beside each stands a good one of another key: this is no outage. */
function backlog(keys: readonly string[], each: number) {
  return Array.from({ length: each }, (_, n) =>
    keys.flatMap((key) =>
      n > 0
        ? [Placed({ key, n }, { key })]
        : [Placed({ key, n, bad: true }, { key }), Placed({ key: 'good', n }, { key: `good-${key}` })],
    ),
  ).flat()
}

const keysOf = (count: number) => Array.from({ length: count }, (_, index) => `k${index}`)

const parked = async (app: App<[typeof Placed, typeof Paid]>) =>
  (await app.deadLetters.list({ state: 'parked', limit: 1_000 })).length

eachEngine((bed) => {
  test('all that match are redriven in the order of the log, and each key goes on in order', async () => {
    const shop = await shopOn(bed())
    const { app } = shop
    const keys = keysOf(20)
    await app.publish(backlog(keys, 3))
    await app.settled()
    expect(await parked(app)).toBe(20)
    expect(shop.handled).toEqual([])
    shop.broken = false
    expect(await app.deadLetters.redrive({ service: 'email' })).toBe(20)
    await app.settled()
    expect(await app.deadLetters.list()).toEqual([])
    for (const key of keys) {
      expect(shop.handled.filter((one) => one.startsWith(`${key}:`))).toEqual([`${key}:0`, `${key}:1`, `${key}:2`])
    }
  })

  test('a selection takes what matches all of it: service, key, type, and up to a point', async () => {
    const shop = await shopOn(bed(), {}, ['email', 'sms'])
    const { app } = shop
    await app.publish([
      Placed({ key: 'a', n: 0, bad: true }, { key: 'a' }),
      Paid({ key: 'b', n: 0, bad: true }, { key: 'b' }),
    ])
    const before = new Date()
    await until(() => Date.now() > before.getTime() + 1)
    await app.publish([
      Placed({ key: 'c', n: 0, bad: true }, { key: 'c' }),
      Placed({ key: 'd', n: 0, bad: true }, { key: 'd' }),
    ])
    await app.settled()
    await app.services.pause('email')
    await app.services.pause('sms')
    const { redrive } = app.deadLetters
    const all = (selection: Parameters<typeof redrive>[0]) => app.deadLetters.redrive(selection)
    const listed = await app.deadLetters.list({ service: 'email', until: before })
    expect(listed.map(({ key }) => key).sort()).toEqual(['a', 'b'])
    expect(await all({ service: 'email', until: before, type: 'order.paid' })).toBe(1)
    expect(await all({ service: 'email', until: before })).toBe(1)
    const [c] = await app.deadLetters.list({ service: 'sms', key: 'c' })
    expect(await all({ service: 'sms', until: c?.event.position ?? 0 })).toBe(3)
    expect(await all({ key: 'd', service: 'nobody' })).toBe(0)
    expect(await all({ key: 'd' })).toBe(2)
    expect(await all({})).toBe(1)
    expect(await all({})).toBe(0)
  })

  test('a selection that is misspelt, or not given by mistake, is refused', async () => {
    const { deadLetters } = await bed().app()
    const refused = { code: 'invalid-option' }
    await expect(deadLetters.redrive({ sevice: 'email' } as object)).rejects.toMatchObject(refused)
    await expect(deadLetters.redrive({ service: undefined } as object)).rejects.toMatchObject(refused)
    await expect(deadLetters.redrive({ until: new Date('never') })).rejects.toMatchObject(refused)
    await expect(deadLetters.redrive({ until: -1 })).rejects.toMatchObject(refused)
    await expect(deadLetters.redrive({}, { data: {} })).rejects.toMatchObject(refused)
    await expect(deadLetters.redrive(undefined as unknown as string)).rejects.toMatchObject(refused)
  })

  test('a selection is skipped or dropped only with all: true', async () => {
    const shop = await shopOn(bed())
    const { app } = shop
    await app.publish(backlog(['a', 'b'], 2))
    await app.settled()
    await expect(app.deadLetters.skip({})).rejects.toMatchObject({ code: 'invalid-option' })
    await expect(app.deadLetters.drop({ key: 'a' })).rejects.toMatchObject({ code: 'invalid-option' })
    expect(await parked(app)).toBe(2)
    expect(await app.deadLetters.skip({ key: 'a' }, { all: true })).toBe(1)
    expect(await app.deadLetters.drop({}, { all: true })).toBe(1)
    await app.settled()
    expect(shop.handled.sort()).toEqual(['a:1', 'b:1'])
    expect(await app.deadLetters.list()).toMatchObject([{ key: 'a', state: 'skipped' }])
  })

  test('two operators who redrive the same backlog count each letter once', async () => {
    const place = bed()
    const shop = await shopOn(place)
    await shop.app.publish(backlog(keysOf(30), 1))
    await shop.app.settled()
    shop.broken = false
    const other = await place.app()
    const counts = await Promise.all([shop.app.deadLetters.redrive({}), other.deadLetters.redrive({})])
    await shop.app.settled()
    expect(counts[0] + counts[1]).toBe(30)
    expect(shop.handled).toHaveLength(30)
  })

  test('a parked backlog survives a restart and a hand-over, and is drained by one instance a key', async () => {
    const place = bed()
    const first = await shopOn(place)
    const keys = keysOf(24)
    await first.app.publish(backlog(keys, 3))
    await first.app.settled()
    const second = await shopOn(place)
    await until(async () => {
      const [email] = await second.app.services.list()
      return email?.instances.every(({ buckets }) => buckets === 128) === true
    })
    await first.app.stop()
    const third = await shopOn(place)
    expect(await parked(third.app)).toBe(24)
    expect([...second.handled, ...third.handled]).toEqual([])
    second.broken = false
    third.broken = false
    expect(await third.app.deadLetters.redrive({})).toBe(24)
    await third.app.settled()
    const handled = [...second.handled, ...third.handled]
    expect(handled.sort()).toEqual(keys.flatMap((key) => [`${key}:0`, `${key}:1`, `${key}:2`]).sort())
    for (const shop of [second, third]) {
      for (const key of keys) {
        const own = shop.tried.filter((one) => one.startsWith(`${key}:`))
        expect(own).toEqual(own.toSorted())
      }
    }
    expect(await third.app.deadLetters.list()).toEqual([])
  })

  test('a redriven event that fails again is parked again, with its edit', async () => {
    const shop = await shopOn(bed())
    const { app } = shop
    await app.publish(backlog(['a'], 2))
    await app.settled()
    const [letter] = await app.deadLetters.list()
    const id = letter?.id ?? ''
    await app.deadLetters.redrive(id, { data: { key: 'a', n: 7, bad: true } })
    await until(async () => shop.tried.includes('a:7') && (await app.deadLetters.get(id)).state === 'parked')
    expect(await app.deadLetters.get(id)).toMatchObject({ edited: true, event: { data: { n: 7 } } })
    shop.broken = false
    await app.deadLetters.redrive(id)
    await app.settled()
    expect(shop.handled).toEqual(['a:7', 'a:1'])
  })

  test('an edit made while the event is tried again is not lost when that fails', async () => {
    const running = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    const app = await bed().app({ events: [Placed] })
    const tried: number[] = []
    app.service('email', { from: 'start' }).on(Placed, async ({ data }) => {
      tried.push(data.n)
      if (data.n === 9) return
      if (tried.length === 2) {
        running.resolve()
        await goOn.promise
      }
      throw new PermanentError('not that')
    })
    await app.start()
    await app.publish(Placed({ key: 'a', n: 0 }, { key: 'a' }))
    await app.settled()
    const [letter] = await app.deadLetters.list()
    await app.deadLetters.redrive(letter?.id ?? '')
    await running.promise
    await app.deadLetters.redrive(letter?.id ?? '', { data: { key: 'a', n: 9 } })
    goOn.resolve()
    await app.settled()
    expect(tried).toEqual([0, 0, 9])
    expect(await app.deadLetters.list()).toEqual([])
  })

  test('what an operator without definitions edits at an old version is upcast as the original is', async () => {
    const place = bed()
    const First = defineEvent('user.named')
    const old = await place.app({ events: [First] })
    await old.publish(First({ name: 'Ann Lee' }, { key: 'a' }))
    const Named = defineEvent('user.named', {
      version: 2,
      schema: unchecked<{ first: string }>(),
      upcast: { 1: (v1) => ({ first: String((v1 as { name: string }).name).split(' ')[0] }) },
    })
    const app = await place.app({ events: [Named] })
    const seen: string[] = []
    app.service('greeter', { from: 'start' }).on(Named, ({ data }) => {
      seen.push(data.first)
      if (data.first === 'Ann') throw new PermanentError('no Anns')
    })
    await app.start()
    await app.settled()
    const operator = await place.app()
    const [letter] = await operator.deadLetters.list()
    expect(letter?.event).toMatchObject({ version: 1, data: { name: 'Ann Lee' } })
    await operator.deadLetters.redrive(letter?.id ?? '', { data: { name: 'Bob Lee' } })
    await app.settled()
    expect(seen).toEqual(['Ann', 'Bob'])
  })

  test('edited data is kept as the log keeps its own: through the codec', async () => {
    const place = bed()
    const codec = {
      name: 'base64',
      encode: async (text: string) => Buffer.from(text).toString('base64'),
      decode: (text: string) => Buffer.from(text, 'base64').toString(),
    }
    const stored: string[] = []
    const app = await place.app({ events: [Placed], codec }, (store) => {
      const { deadLetters } = store
      const update: typeof deadLetters.update = (change) => {
        stored.push(change.letter?.edited ?? '')
        return deadLetters.update(change)
      }
      Object.defineProperty(store, 'deadLetters', {
        value: { list: (query: never) => deadLetters.list(query), get: (id: string) => deadLetters.get(id), update },
      })
      return store
    })
    const seen: number[] = []
    app.service('email', { from: 'start' }).on(Placed, ({ data }) => {
      seen.push(data.n)
      if (data.n === 0) throw new PermanentError('no')
    })
    await app.start()
    await app.publish(Placed({ key: 'secret', n: 0 }, { key: 'a' }))
    await app.settled()
    const [letter] = await app.deadLetters.list()
    await app.deadLetters.redrive(letter?.id ?? '', { data: { key: 'secret', n: 1 } })
    await app.settled()
    expect(seen).toEqual([0, 1])
    expect(stored).toHaveLength(1)
    expect(stored[0]).not.toContain('secret')
  })

  test('a service parks no more keys than maxParked: it is paused with the reason, and loses nothing', async () => {
    const place = bed()
    const shop = await shopOn(place, { maxParked: 3, concurrency: 1 })
    const { app } = shop
    await app.publish(backlog(keysOf(6), 2))
    const status = async () => (await app.services.list())[0]
    await until(async () => (await status())?.state === 'paused')
    expect(await status()).toMatchObject({ parked: 3, reason: expect.stringContaining('maxParked') })
    expect(place.logger.said('error', 'order.placed failed')).toBe(true)
    await app.services.resume('email')
    await until(async () => (await status())?.state === 'paused')
    expect(await parked(app)).toBe(3)
    shop.broken = false
    expect(await app.deadLetters.redrive({})).toBe(3)
    await app.services.resume('email')
    await app.settled()
    expect(shop.handled).toHaveLength(12)
    expect(await app.deadLetters.list()).toEqual([])
  })
})

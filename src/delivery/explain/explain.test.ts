import { expect, test } from 'vitest'
import {
  defineEvent,
  type Explanation,
  formatExplanation,
  PermanentError,
  type ServiceExplanation,
} from '../../index.ts'
import type { Store } from '../../store/port.ts'
import { type Bed, eachEngine } from '../fixtures/bed.ts'
import { until } from '../fixtures/until.ts'

const Placed = defineEvent('order.placed')
const Pinged = defineEvent('node.pinged', { kind: 'system', keep: '7d' })

function serviceOf({ services }: Explanation, name: string): ServiceExplanation {
  const found = services.find(({ service }) => service === name)
  if (found === undefined) throw new Error(`no service ${name}`)
  return found
}

const codesOf = ({ warnings }: Pick<Explanation, 'warnings'>) => warnings.map(({ code }) => code)

/** A store that tells this about its groups. */
function groupsSay(store: Store, change: Partial<Awaited<ReturnType<Store['groups']['read']>>>): Store {
  const { groups } = store
  const read: typeof groups.read = async (service) => ({ ...(await groups.read(service)), ...change })
  return new Proxy(store, {
    get(target, name) {
      if (name === 'groups')
        return new Proxy(groups, { get: (_, method) => (method === 'read' ? read : bound(groups, method)) })
      return bound(target, name)
    },
  })
}

function bound(target: object, name: PropertyKey): unknown {
  const value: unknown = Reflect.get(target, name, target)
  return typeof value === 'function' ? value.bind(target) : value
}

async function appWith(bed: Bed, options: Parameters<Awaited<ReturnType<Bed['app']>>['service']>[1] = {}) {
  const app = await bed.app({ events: [Placed, Pinged], durability: 'fsync' })
  app.service('email', options).on(Placed, () => undefined)
  return app
}

eachEngine((bed, engine) => {
  test('says what a service will get before it starts, and what it gets after', async () => {
    const app = await appWith(bed(), { concurrency: 4, from: 'start' })
    const before = serviceOf(await app.explain(), 'email')
    expect(before).toMatchObject({
      defined: true,
      state: 'new',
      instances: 0,
      handlers: [{ patterns: ['order.placed'], mode: 'each', attempts: 0, commits: 0 }],
      subscriptions: [{ pattern: 'order.placed', since: null, announced: false }],
      warnings: [],
    })
    await app.start()
    await app.publish(Placed({}))
    await app.settled()
    const after = serviceOf(await app.explain(), 'email')
    expect(after).toMatchObject({
      state: 'running',
      instances: 1,
      handlers: [{ attempts: 1, commits: 0 }],
      subscriptions: [{ pattern: 'order.placed', since: 0, announced: true }],
    })
    expect(after.order.because).toContain('concurrency 4: 4 keys at a time in each instance')
    expect(after.recovery.because).toContain('8 tries, 200 ms to 1 min apart; an attempt may take 30 s')
  })

  test('is plain JSON, and makes text of it for people', async () => {
    const app = await appWith(bed(), { poison: 'skip' })
    const explanation = await app.explain()
    expect(JSON.parse(JSON.stringify(explanation))).toEqual(explanation)
    const text = formatExplanation(explanation)
    expect(text).toMatch(/^test\n {2}store {10}/)
    expect(text).toContain('service email (new, 0 instances)')
    expect(text).toContain('  order          events of one key start in order and never overlap')
    expect(text).toContain("  WARNING poison-skip: poison 'skip'")
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(200)
  })

  test('promises follow what the engine can', async () => {
    const app = await appWith(bed())
    const { store, services, warnings } = await app.explain()
    const [email] = services
    if (engine !== 'memory') {
      const location = engine === 'sqlite' ? /store\.db$/ : /127\.0\.0\.1/
      expect(store).toMatchObject({ engine, location: expect.stringMatching(location), durability: 'fsync' })
      expect(email?.deduplication.promise).toMatch(/^exactly once for ctx.commit/)
      expect(email?.recovery.because[0]).toMatch(/power cut loses no event/)
    } else {
      expect(store).toMatchObject({ engine, location: null, durability: 'none' })
      expect(warnings).toMatchObject([{ code: 'memory-store', level: 'warning' }])
      expect(email?.deduplication.promise).toMatch(/^exactly once for events that handlers publish/)
      expect(email?.recovery.because[0]).toBe('nothing survives the process')
    }
  })

  test('warns of a lowered durability where there is one to lower', async () => {
    const app = await bed().app({ durability: 'os' })
    expect(codesOf(await app.explain()).includes('durability-lowered')).toBe(engine !== 'memory')
  })

  test('warns of options that give something up', async () => {
    const app = await bed().app({ events: [Placed] })
    app.service('a', { poison: 'skip', patience: 0 }).on(Placed, () => undefined)
    app.service('b', { poison: 'stop' }).on(Placed, () => undefined)
    const explanation = await app.explain()
    expect(codesOf(serviceOf(explanation, 'a'))).toEqual(['poison-skip', 'no-patience'])
    expect(codesOf(serviceOf(explanation, 'b'))).toEqual(['poison-stop'])
    expect(serviceOf(explanation, 'a').delivery.promise).toContain('given up')
  })

  test('hints at ctx.commit only where a handler ran without it on an engine with SQL', async () => {
    const app = await bed().app({ events: [Placed, Pinged] })
    app.service('plain', { from: 'start' }).on(Placed, () => undefined)
    app.service('committing', { from: 'start' }).on(Placed, (_, ctx) => ctx.commit())
    expect(codesOf(serviceOf(await app.explain(), 'plain'))).toEqual([])
    await app.start()
    await app.publish([Placed({}), Placed({})])
    await app.settled()
    const explanation = await app.explain()
    expect(serviceOf(explanation, 'committing').handlers).toMatchObject([{ attempts: 2, commits: 2 }])
    expect(codesOf(serviceOf(explanation, 'committing'))).toEqual([])
    const { warnings } = serviceOf(explanation, 'plain')
    expect(warnings).toMatchObject(engine !== 'memory' ? [{ code: 'commit-unused', level: 'hint' }] : [])
  })

  test('warns of types without a definition, named or met in the log', async () => {
    const place = bed()
    const Paid = defineEvent('order.paid')
    const publisher = await place.app({ events: [Paid] })
    await publisher.publish(Paid({}))
    const app = await place.app({ events: [Placed] })
    app.service('a').on('order.refunded', () => undefined)
    app.service('b').on('order.*', () => undefined)
    app.service('c').on(Placed, () => undefined)
    const explanation = await app.explain()
    expect(serviceOf(explanation, 'a').warnings).toMatchObject([
      { code: 'unknown-type', level: 'warning', message: expect.stringContaining('order.refunded') },
    ])
    expect(serviceOf(explanation, 'b').warnings).toMatchObject([
      { code: 'unknown-type', level: 'hint', message: expect.stringContaining('order.paid') },
    ])
    expect(codesOf(serviceOf(explanation, 'c'))).toEqual([])
  })

  test('warns of recorded versions that the code does not know', async () => {
    const place = bed()
    const Newer = defineEvent('order.placed', { version: 3, upcast: { 1: (data) => data, 2: (data) => data } })
    const publisher = await place.app({ events: [Newer] })
    await publisher.publish(Newer({}))
    const app = await appWith(place)
    expect(serviceOf(await app.explain(), 'email').warnings).toMatchObject([
      { code: 'newer-version', message: expect.stringContaining('order.placed version 3 (known: 1) at position 1') },
    ])
  })

  test('names what keys wait with, however much has been recorded since', async () => {
    const place = bed()
    const Newer = defineEvent('order.placed', { version: 2, upcast: { 1: (x: { [name: string]: unknown }) => x } })
    await (await place.app({ events: [Newer] })).publish(Newer({}))
    const app = await appWith(place, { from: 'start' })
    await app.start()
    await until(async () => (await app.services.list())[0]?.waiting === 1)
    await app.publish(Array.from({ length: 600 }, () => Placed({})))
    // Also as another program sees it that defines nothing, such as the command.
    for (const explainer of [app, await place.app()]) {
      const { warnings } = serviceOf(await explainer.explain(), 'email')
      expect(warnings.find(({ code }) => code === 'newer-version')?.message).toContain(
        'order.placed version 2 (known: 1) at position 1;',
      )
    }
  })

  test('warns of subscriptions that no running instance announces', async () => {
    const place = bed()
    const old = await place.app({ events: [Placed] })
    old.service('email').on('payment.*', () => undefined)
    await old.start()
    await old.stop()
    const app = await appWith(place)
    await app.start()
    const email = serviceOf(await app.explain(), 'email')
    expect(email.warnings).toMatchObject([
      { code: 'unannounced-subscription', message: expect.stringContaining('payment.*') },
    ])
  })

  test('hints at system events, which may expire', async () => {
    const app = await bed().app({ events: [Pinged] })
    app.service('watch').on(Pinged, () => undefined)
    expect(serviceOf(await app.explain(), 'watch').warnings).toMatchObject([
      { code: 'system-events', level: 'hint', message: expect.stringContaining('node.pinged (kept 7 d)') },
    ])
  })

  test('tells of services that only the store knows, and of parked keys and pauses', async () => {
    const place = bed()
    const shop = await place.app({ events: [Placed] })
    shop.service('email', { from: 'start', retry: { attempts: 1 } }).on(Placed, () => {
      throw new PermanentError('no')
    })
    await shop.start()
    await shop.publish(Placed({}))
    await until(async () => (await shop.services.list())[0]?.parked === 1)
    await shop.services.pause('email', 'lunch')
    await shop.stop()
    const operator = await place.app()
    const email = serviceOf(await operator.explain(), 'email')
    expect(email).toMatchObject({ defined: false, state: 'paused', handlers: [] })
    expect(codesOf(email)).toEqual(['service-paused', 'service-down', 'parked-keys'])
    expect(email.warnings[0]?.message).toContain('lunch')
    expect(email.recovery.because.at(-1)).toContain('known only to the programs that define it')
  })

  test('hints at a large lag with concurrency 1', async () => {
    const place = bed()
    const app = await appWith(place, { from: 'start' })
    await app.start()
    await app.services.pause('email')
    await app.publish(Array.from({ length: 2_000 }, () => Placed({})))
    expect(codesOf(serviceOf(await app.explain(), 'email'))).toContain('lag-at-concurrency-1')
  })

  test('warns of more instances than there are buckets, and of open breakers', async () => {
    const members = Array.from({ length: 300 }, (_, index) => ({
      instance: `ins_${index}`,
      patterns: ['order.placed'],
      versions: {},
    }))
    const breakers = [{ handler: 'order.placed', openedAt: 0, probes: 0, probeAt: 0 }]
    const app = await bed().app({ events: [Placed] }, (store) => {
      const changed = groupsSay(store, { members, breakers, revision: 1 })
      return new Proxy(changed, {
        get: (target, name) =>
          name === 'presence'
            ? {
                list: async () =>
                  members.map(({ instance: id }) => ({ id, source: 's', host: 'h', pid: 1, startedAt: 0 })),
              }
            : bound(target, name),
      })
    })
    app.service('email').on(Placed, () => undefined)
    const email = serviceOf(await app.explain(), 'email')
    expect(email.instances).toBe(300)
    expect(codesOf(email)).toEqual(['too-many-instances', 'breaker-open'])
  })
})

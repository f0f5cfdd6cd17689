import { describe, expect, test } from 'vitest'
import { HodisaError } from '../errors.ts'
import type { GroupUpdate } from '../store/groups.ts'
import type { Presence, Store } from '../store/port.ts'
import { fakeClock } from '../testing/fake-clock.ts'
import { Bed, eachEngine } from './fixtures/bed.ts'
import { EVENTS, Noted, notes } from './fixtures/events.ts'
import { withFaults } from './fixtures/faults.ts'
import { until } from './fixtures/until.ts'

describe('who is taken for dead', () => {
  test('is in the end one whose store answers nothing but beats', async () => {
    const clock = fakeClock()
    let beats = 0
    const { promise: answers, resolve: answer } = Promise.withResolvers<void>()
    const app = await new Bed('memory').app({ events: EVENTS, clock }, (store) =>
      withBeat(
        withDelays(store, 'groups', 'revisions', () => answers),
        (beat) => {
          beats++
          return beat()
        },
      ),
    )
    app.service('shared').on(Noted, () => undefined)
    await app.start()
    await clock.advance('10s')
    const before = beats
    expect(before).toBeGreaterThan(8)
    await clock.advance('10s')
    const after = beats
    expect(after).toBeLessThan(before + 5)
    await clock.advance('10s')
    expect(beats).toBe(after)
    answer()
    await clock.advance('10s')
    expect(beats).toBeGreaterThan(after)
  })

  eachEngine((bed) => {
    test('is never one that came while the others were being counted', async () => {
      const place = bed()
      let hold: Promise<void> | undefined
      let counted = 0
      const updates: GroupUpdate[] = []
      const one = await place.app({ source: 'one', events: EVENTS }, (store) =>
        withBeat(
          withFaults(store, (method, args) => {
            if (method === 'groups.update') updates.push(args[2] as GroupUpdate)
            return undefined
          }),
          async (beat) => {
            const result = await beat()
            counted++
            await hold
            return result
          },
        ),
      )
      one.service('shared').on(Noted, () => undefined)
      await one.start()

      const { promise, resolve: release } = Promise.withResolvers<void>()
      hold = promise
      const before = counted
      await until(() => counted > before)
      const two = await place.app({ source: 'two', events: EVENTS })
      two.service('shared').on(Noted, () => undefined)
      await two.start()
      await until(
        async () => (await one.services.list())[0]?.instances.every(({ buckets }) => buckets === 128) === true,
      )
      updates.splice(0)
      hold = undefined
      release()
      await until(() => counted > before + 2)
      expect(updates.filter(({ members }) => members?.length === 1)).toEqual([])
    })

    test('begins nothing of its old share when it comes back, even while it cannot read who has it now', async () => {
      const place = bed()
      let blind = false
      let store: Store | undefined
      const begun: string[] = []
      const gates = new Map([
        ['one', Promise.withResolvers<void>()],
        ['two', Promise.withResolvers<void>()],
      ])
      const start = async (source: string) => {
        const app = await place.app({ source, events: EVENTS }, (inner) => {
          store = inner
          return withFaults(inner, (method) =>
            blind && source === 'one' && method === 'groups.read'
              ? new HodisaError('store-unavailable', 'as it was told', {})
              : undefined,
          )
        })
        app.service('shared', { from: 'start' }).on(Noted, async () => {
          begun.push(source)
          await gates.get(source)?.promise
        })
        await app.start()
        return app
      }
      const instances = async () => (await two.services.list())[0]?.instances ?? []
      const one = await start('one')
      await one.publish(notes(200, 50))
      await until(() => begun.length === 1)
      const two = await start('two')
      await until(() => begun.includes('two'))

      const old = (await instances()).find(({ source }) => source === 'one')?.id ?? ''
      blind = true
      await store?.presence.leave(old)
      await until(async () => (await instances()).some(({ source, buckets }) => source === 'two' && buckets === 256))
      await until(
        async () => (await store?.presence.list())?.some(({ id, source }) => source === 'one' && id !== old) === true,
      )
      begun.splice(0)
      gates.get('one')?.resolve()
      gates.get('two')?.resolve()
      await two.settled()
      expect(begun.length).toBeGreaterThan(100)
      expect(begun).not.toContain('one')
      blind = false
    })

    test('is not one whose look at the others gets no answer: it shows that it lives all the same', async () => {
      const place = bed()
      let beats = 0
      let asked = 0
      const answers = Promise.withResolvers<void>()
      const one = await place.app({ events: EVENTS }, (store) =>
        withBeat(
          withDelays(store, 'groups', 'revisions', async () => {
            asked++
            await answers.promise
          }),
          (beat) => {
            if (asked > 0) beats++
            return beat()
          },
        ),
      )
      one.service('shared').on(Noted, () => undefined)
      await one.start()
      await until(() => beats >= 3)
      expect(asked).toBe(1)
      answers.resolve()
      await until(() => asked > 1)
    })

    test('keeps nobody from the buckets that are due to it: others go on with them at once', async () => {
      const place = bed()
      let store: Store | undefined
      const one = await place.app({ source: 'one', events: EVENTS }, (inner) => {
        store = inner
        return inner
      })
      one.service('shared', { from: 'start' }).on(Noted, () => undefined)
      // A member that shows that it lives, and does nothing else: dead, and nobody knows yet.
      const silent = { id: 'ins_silent', source: 'silent', host: 'elsewhere', machine: 'other', pid: 1, startedAt: 0 }
      await store?.presence.join(silent)
      const beating = setInterval(() => void store?.presence.beat(silent.id).catch(() => undefined), 500)
      try {
        const member = { instance: silent.id, patterns: ['test.noted'], versions: {} }
        await store?.groups.update('shared', 0, {
          members: [member],
          subscriptions: [{ pattern: 'test.noted', since: 0 }],
        })
        await one.start()
        await one.publish(notes(256, 256))
        await one.settled({ timeout: '10s' })
      } finally {
        clearInterval(beating)
      }
    })
  })
})

function withBeat(
  store: Store,
  around: (beat: () => ReturnType<Presence['beat']>) => ReturnType<Presence['beat']>,
): Store {
  const { presence } = store
  const beat: Presence['beat'] = (id) => around(() => presence.beat(id))
  const slow = new Proxy(presence, { get: (_, name) => (name === 'beat' ? beat : bound(presence, name)) })
  return new Proxy(store, { get: (_, name) => (name === 'presence' ? slow : bound(store, name)) })
}

/** A real store that keeps one of its calls waiting. */
function withDelays(store: Store, part: 'groups', call: string, wait: () => Promise<void>): Store {
  const inner = store[part]
  const slow = new Proxy(inner, {
    get(_, name) {
      const value = bound(inner, name)
      if (name !== call || typeof value !== 'function') return value
      return async (...args: readonly unknown[]) => {
        await wait()
        return Reflect.apply(value, inner, args)
      }
    },
  })
  return new Proxy(store, { get: (_, name) => (name === part ? slow : bound(store, name)) })
}

function bound<Target extends object>(target: Target, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name, target)
  return typeof value === 'function' ? value.bind(target) : value
}

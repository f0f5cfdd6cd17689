import { expect, test } from 'vitest'
import { defineEvent, PermanentError, type RecordedEvent, systemEvents, unchecked } from '../index.ts'
import { eachEngine } from './fixtures/bed.ts'
import { all, until } from './fixtures/until.ts'

const Charged = defineEvent('card.charged', { schema: unchecked<{ readonly number: number }>() })
const QUICK = { attempts: 2, min: 1, max: 20 }

eachEngine((bed) => {
  test('an outage parks nothing, holds new events back, and ends by itself in every instance', async () => {
    const place = bed()
    const state = { down: true, calls: 0 }
    const instances = [await place.app({ events: [Charged] }), await place.app({ events: [Charged] })]
    for (const app of instances) {
      app.service('payment', { from: 'start', concurrency: 4, retry: QUICK }).on(Charged, async () => {
        state.calls++
        if (state.down) throw new Error('the bank does not answer')
      })
      await app.start()
    }
    const [app] = instances
    if (app === undefined) throw new Error('no app')
    await app.publish(Array.from({ length: 300 }, (_, number) => Charged({ number })))
    const seen = async (type: string) => (await all(app.read({ types: type }))).length
    await until(async () => (await seen('hodisa.breaker.opened')) === 1)
    await until(() => state.calls > 40)
    const [before] = await app.services.list()
    expect(before).toMatchObject({ parked: 0 })
    // Far from all keys were begun: the rest is held back.
    expect(before?.retrying).toBeLessThan(150)
    state.down = false
    await app.settled()
    expect(await app.deadLetters.list()).toEqual([])
    await until(async () => (await seen('hodisa.breaker.closed')) === 1)
    expect(await seen('hodisa.breaker.opened')).toBe(1)
  })

  test('what keeps failing among what succeeds is parked, and told once with its cause', async () => {
    const app = await bed().app({ events: [Charged] })
    const told: RecordedEvent[] = []
    app.service('payment', { from: 'start', retry: QUICK }).on(Charged, ({ data }) => {
      if (data.number === 3) throw new Error('no such card')
    })
    app.service('operator', { from: 'start' }).on(systemEvents.eventParked, (event) => void told.push(event))
    await app.start()
    await app.publish(Array.from({ length: 6 }, (_, number) => Charged({ number })))
    await app.settled()
    const [letter] = await app.deadLetters.list()
    expect(told).toMatchObject([
      {
        type: 'hodisa.event.parked',
        data: { service: 'payment', type: 'card.charged', deadLetter: letter?.id, error: { message: 'no such card' } },
        metadata: { correlationId: letter?.event.metadata.correlationId, causationId: letter?.event.id },
      },
    ])
  })

  test('failing on a system event makes no further one', async () => {
    const app = await bed().app({ events: [Charged] })
    app.service('payment', { from: 'start' }).on(Charged, () => {
      throw new PermanentError('no')
    })
    app.service('operator', { from: 'start' }).on('hodisa.**', () => {
      throw new PermanentError('no again')
    })
    await app.start()
    await app.publish(Charged({ number: 1 }))
    await app.settled()
    await until(async () => (await app.deadLetters.list()).length === 2)
    expect((await all(app.read({ types: 'hodisa.**' }))).map(({ type }) => type)).toEqual(['hodisa.event.parked'])
  })

  test('a pattern that does not begin with hodisa. never gets system events', async () => {
    const app = await bed().app({ events: [Charged] })
    const seen: string[] = []
    app.service('payment', { from: 'start' }).on(Charged, () => {
      throw new PermanentError('no')
    })
    app.service('everything', { from: 'start' }).on('**', ({ type }) => void seen.push(type))
    await app.start()
    await app.publish(Charged({ number: 1 }))
    await app.settled()
    expect(seen).toEqual(['card.charged'])
    expect(() => defineEvent('hodisa.own')).toThrowError(expect.objectContaining({ code: 'invalid-name' }))
  })

  test('a service that stops itself tells why', async () => {
    const app = await bed().app({ events: [Charged] })
    app.service('payment', { from: 'start', poison: 'stop' }).on(Charged, () => {
      throw new PermanentError('stop everything')
    })
    await app.start()
    await app.publish(Charged({ number: 1 }))
    await until(async () => (await all(app.read({ types: 'hodisa.service.stopped' }))).length === 1)
    expect(await app.services.list()).toMatchObject([
      { state: 'paused', reason: expect.stringContaining('stop everything') },
    ])
  })
})

import { expect, test } from 'vitest'
import { memory } from '../engines/memory/index.ts'
import { defineEvent, hodisa, unchecked } from '../index.ts'
import { fakeClock } from './fake-clock.ts'

test('time stands still until it is moved, and timers come in order', async () => {
  const clock = fakeClock(new Date('2024-05-01T00:00:00Z'))
  const told: string[] = []
  clock.after(20, () => told.push(`late at ${clock.monotonic()}`))
  clock.after(10, () => {
    told.push(`first at ${clock.monotonic()}`)
    clock.after(5, () => told.push(`inner at ${clock.monotonic()}`))
  })
  const cancel = clock.after(12, () => told.push('never'))
  cancel()
  await clock.advance(9)
  expect(told).toEqual([])
  await clock.advance('1s')
  expect(told).toEqual(['first at 10', 'inner at 15', 'late at 20'])
  expect(new Date(clock.now()).toISOString()).toBe('2024-05-01T00:00:01.009Z')
})

test('the wall clock jumps without time passing', async () => {
  const clock = fakeClock()
  clock.set(new Date('2030-01-01T00:00:00Z'))
  expect([clock.now(), clock.monotonic()]).toEqual([Date.UTC(2030, 0, 1), 0])
})

test('an app waits and retries by it', async () => {
  const clock = fakeClock()
  const Noted = defineEvent('test.noted', { schema: unchecked<{ readonly n: number }>() })
  const app = await hodisa({ source: 'test', store: memory(), events: [Noted], clock, random: () => 0 })
  const attempts: number[] = []
  app.service('s', { from: 'start', retry: { min: '10s' } }).on(Noted, (_, ctx) => {
    attempts.push(clock.monotonic())
    if (ctx.attempt < 3) throw new Error('not yet')
  })
  const started = app.start()
  await clock.advance(0)
  await started
  await app.publish(Noted({ n: 1 }))
  await clock.advance('1m')
  const [first = 0, second = 0, third = 0] = attempts
  expect([second - first, third - second]).toEqual([10_000, 20_000])
  const stopped = app.stop()
  await clock.advance('1s')
  await stopped
})

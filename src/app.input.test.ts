/* Every public entry with wrong values: a typed error that says what is wrong, never a TypeError from within. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Bed, eachEngine } from './delivery/fixtures/bed.ts'
import { EVENTS, Noted } from './delivery/fixtures/events.ts'
import { failure } from './delivery/fixtures/until.ts'
import { memory } from './engines/memory/index.ts'
import { sqlite } from './engines/sqlite/index.ts'
import { defineEvent, type HodisaError, hodisa, isHodisaError } from './index.ts'

type Loose = Record<string, (...args: unknown[]) => unknown> & {
  deadLetters: Record<string, (...args: unknown[]) => unknown>
  services: Record<string, (...args: unknown[]) => unknown>
}

const one = Noted({ key: 'a', n: 1 })
const ANYTHING = defineEvent('any.thing')
const drain = async (values: unknown) => {
  for await (const _ of values as AsyncIterable<unknown>) break
}

/** What each entry refuses: the arguments, by entry. */
const REFUSED: Readonly<Record<string, readonly (readonly unknown[])[]>> = {
  publish: [
    [],
    [null],
    [5],
    [{}],
    [[null]],
    [['x']],
    ['no.such', {}],
    ['Wrong Name', {}],
    [one, 5],
    [one, 'x'],
    [one, { id: 5 }],
    [one, { id: '' }],
    [one, { id: 'x'.repeat(300) }],
    [one, { stream: 'nodash' }],
    [one, { stream: 5 }],
    [Noted, {}],
    [one, { metadata: 5 }],
    [one, { metadata: [] }],
    [one, { metadata: { correlationId: 'x' } }],
    [one, { metadata: { bad: 1n } }],
    [one, { correlationId: 5 }],
    [one, { causationId: '' }],
    [one, { expectedRevision: -1 }],
    [one, { expectedRevision: 1.5 }],
    [one, { expectedRevision: '1' }],
    [[one, Noted({ key: 'b', n: 1 })], { expectedRevision: 1 }],
    [[one, one], { id: 'x' }],
    [{ type: 'test.noted', data: { key: 'a', n: 1 }, extras: 5 }],
    [{ type: 'test.noted', data: { key: 'a', n: 1 }, extras: { metadata: 'x' } }],
  ],
  append: [
    [],
    [null],
    [5],
    [[null]],
    [[{}]],
    [[{ stream: 'a-1' }]],
    [[{ stream: 'a-1', events: 5 }]],
    [[{ stream: 5, events: [] }]],
    [[{ stream: 'a-1', events: [null] }]],
    [[{ stream: 'a-1', events: [], expectedRevision: 'x' }]],
    [[], 5],
  ],
  read: [
    [null],
    [5],
    [{ from: -1 }],
    [{ from: 'x' }],
    [{ from: new Date('x') }],
    [{ to: 'start' }],
    [{ limit: -1 }],
    [{ limit: 'x' }],
    [{ stream: 5 }],
    [{ types: 5 }],
    [{ types: ['no such'] }],
    [{ types: '' }],
    [{ correlationId: 5 }],
    [{ causationId: {} }],
    [{ backwards: 'yes' }],
  ],
  tail: [[null], [{ from: 1.5 }], [{ types: [''] }], [{ signal: 5 }]],
  get: [[], [5], [''], [null]],
  service: [
    [],
    [5],
    [''],
    ['no spaces'],
    ['s', 5],
    ['s', null],
    ['s', { concurrency: 0 }],
    ['s', { concurrency: 1.5 }],
    ['s', { concurrency: '2' }],
    ['s', { from: 'then' }],
    ['s', { from: null }],
    ['s', { poison: 'x' }],
    ['s', { timeout: 'x' }],
    ['s', { timeout: 0 }],
    ['s', { retry: null }],
    ['s', { retry: 5 }],
    ['s', { retry: { attempts: 0 } }],
    ['s', { retry: { jitter: 2 } }],
    ['s', { retry: { min: {} } }],
    ['s', { patience: -1 }],
    ['s', { abandonAfter: null }],
  ],
  context: [
    [],
    [null, () => 1],
    [5, () => 1],
    [{}],
    [{ correlationId: 5 }, () => 1],
    [{ correlationId: '' }, () => 1],
    [{ traceparent: 5 }, () => 1],
  ],
  transaction: [[], [5], [{}]],
  outbox: [[], [null], [5], [{}]],
  settled: [
    [null],
    [5],
    [{ timeout: 'x' }],
    [{ timeout: -1 }],
    [{ services: 'x' }],
    [{ services: [5] }],
    [{ after: 5 }],
    [{ after: {} }],
  ],
  stop: [[null], [5], [{ timeout: 'x' }]],
  'deadLetters.list': [
    [null],
    [5],
    [{ limit: -1 }],
    [{ limit: 'x' }],
    [{ service: 5 }],
    [{ state: 'x' }],
    [{ after: 5 }],
  ],
  'deadLetters.get': [[], [5], [null], ['none']],
  'deadLetters.redrive': [[], [5], ['none']],
  'deadLetters.skip': [[], [5], ['none']],
  'deadLetters.drop': [[], [5], ['none']],
  'services.pause': [[], [5], [null], ['none']],
  'services.resume': [[], [5], ['none']],
  'services.reset': [[], ['none', { from: 'start' }], ['none'], ['none', null], ['none', { from: 'x' }]],
  'services.forget': [[], [5], ['none']],
}

function call(app: unknown, entry: string, args: readonly unknown[]): Promise<unknown> {
  const [first = '', second] = entry.split('.')
  const target = (second === undefined ? app : (app as Loose)[first]) as Record<string, (...args: unknown[]) => unknown>
  return failure(async () => {
    const result = target[second ?? first]?.(...args)
    if (entry === 'read' || entry === 'tail') await drain(result)
    return result
  })
}

function expectTyped(error: unknown): void {
  if (!isHodisaError(error)) throw new Error('not a HodisaError', { cause: error })
  expect((error as HodisaError).message.length).toBeGreaterThan(10)
  expect((error as HodisaError).fix.length).toBeGreaterThan(10)
}

eachEngine((bed) => {
  describe.each(Object.entries(REFUSED))('app.%s', (entry, lists) => {
    test('refuses wrong arguments with a typed error', async () => {
      const app = await bed().app({ events: EVENTS })
      const passed: unknown[] = []
      for (const args of lists) {
        const error = await call(app, entry, args).catch((unexpected: unknown) => unexpected)
        if (!isHodisaError(error)) passed.push([args, error])
        else expectTyped(error)
      }
      expect(passed).toEqual([])
    })
  })

  test('service.on and onBatch refuse wrong arguments with a typed error', async () => {
    const app = await bed().app({ events: EVENTS })
    const service = app.service('s') as unknown as Record<string, (...args: unknown[]) => unknown>
    const handler = () => undefined
    const passed: unknown[] = []
    const lists: [string, unknown[]][] = [
      ['on', []],
      ['on', ['test.noted']],
      ['on', [5, handler]],
      ['on', [null, handler]],
      ['on', [[], handler]],
      ['on', [[null], handler]],
      ['on', ['', handler]],
      ['on', ['a.**.b', handler]],
      ['on', [Noted, 'x']],
      ['on', [Noted, handler, null]],
      ['on', [Noted, handler, 5]],
      ['on', [Noted, handler, { from: 'x' }]],
      ['onBatch', [Noted, handler]],
      ['onBatch', [Noted, null, handler]],
      ['onBatch', [Noted, { size: 0, wait: 1 }, handler]],
      ['onBatch', [Noted, { size: 1 }, handler]],
      ['onBatch', [Noted, { size: 1, wait: 1, from: {} }, handler]],
    ]
    for (const [name, args] of lists) {
      const error = await failure(() => service[name]?.(...args)).catch((unexpected: unknown) => unexpected)
      if (!isHodisaError(error)) passed.push([name, args, error])
    }
    expect(passed).toEqual([])
  })

  test('whatever it is given, publish records it or says what is wrong', async () => {
    const app = await bed().app({ events: [ANYTHING] })
    const data = fc.oneof(fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true }), fc.object())
    const options = fc.option(
      fc.record(
        {
          id: fc.anything(),
          stream: fc.anything(),
          key: fc.anything(),
          metadata: fc.anything(),
          correlationId: fc.anything(),
        },
        { requiredKeys: [] },
      ),
      { nil: undefined },
    )
    const publish = app.publish.bind(app) as (...args: unknown[]) => Promise<unknown>
    await fc.assert(
      fc.asyncProperty(data, options, async (value, extras) => {
        try {
          await publish('any.thing', value, extras)
        } catch (error) {
          expectTyped(error)
        }
      }),
      { numRuns: 400, examples: [[{}, { stream: [{ toString: 0 }], key: {} }]] },
    )
  })
})

describe('hodisa()', () => {
  test.each([
    undefined,
    null,
    5,
    {},
    { source: '' },
    { source: 5, store: memory() },
    { source: 's' },
    { source: 's', store: {} },
    { source: 's', store: memory(), events: {} },
    { source: 's', store: memory(), events: [null] },
    { source: 's', store: memory(), events: ['x'] },
    { source: 's', store: memory(), events: [Noted, defineEvent('test.noted')] },
    { source: 's', store: memory(), durability: 'none' },
    { source: 's', store: memory(), clock: 5 },
    { source: 's', store: memory(), logger: {} },
    { source: 's', store: memory(), codec: {} },
  ])('refuses %j', async (options) => {
    expectTyped(await failure(() => hodisa(options as never)))
  })

  test('refuses a file that cannot be one', async () => {
    expectTyped(await failure(() => sqlite('')))
    expectTyped(await failure(() => sqlite(5 as never)))
    expectTyped(await failure(() => hodisa({ source: 's', store: sqlite('/no/such/folder/store.db') })))
  })
})

test('an app that was stopped says so wherever it is asked', async () => {
  const app = await new Bed('memory').app({ events: EVENTS })
  await app.stop()
  for (const entry of ['publish', 'get', 'settled', 'deadLetters.list', 'services.list', 'transaction'] as const) {
    expectTyped(await call(app, entry, entry === 'publish' ? [one] : entry === 'transaction' ? [() => 1] : ['x']))
  }
})

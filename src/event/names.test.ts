import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { assertCategory, assertId, assertKey, assertService, assertSource, assertStream, assertType } from './names.ts'

const long = 'a'.repeat(256)
const everywhere = ['', long, 'a\u0000', 'a\n', 'a\u007f', 'a\ud800', 7, null, undefined, {}, Symbol('x'), 1n]

const rules: readonly {
  readonly what: string
  readonly assert: (value: unknown) => void
  readonly good: readonly string[]
  readonly bad: readonly string[]
}[] = [
  {
    what: 'an event type',
    assert: assertType,
    good: ['created', 'order.created', 'orderItem.addedV2', 'a.b.c.d', 'a'.repeat(255)],
    bad: [
      'Order.created',
      'order.Created',
      'order..created',
      '.order',
      'order.',
      'order-created',
      'order.1st',
      'o.*',
      ' a',
    ],
  },
  {
    what: 'a category',
    assert: assertCategory,
    good: ['order', 'orderItem', 'a1'],
    bad: ['order.item', 'Order', '1a', 'order-1'],
  },
  {
    what: 'a stream',
    assert: assertStream,
    good: ['order-1', 'order-a-b-c', 'order-👍', 'order- ', 'orderItem-x/y?z', 'a-__proto__'],
    bad: ['order', 'order-', '-1', 'Order-1', 'order.item-1', 'order_1-2'],
  },
  { what: 'a key', assert: assertKey, good: ['user 7', 'ключ', '-', '__proto__'], bad: [] },
  { what: 'an id', assert: assertId, good: ['evt_1', 'a b', 'é'], bad: [] },
  { what: 'a source', assert: assertSource, good: ['order-service-v2'], bad: [] },
  {
    what: 'a service name',
    assert: assertService,
    good: ['email', 'Email-2', 'a.b_c', '7'],
    bad: ['-email', '.email', 'e mail', 'e/mail', 'é'],
  },
]

for (const rule of rules) {
  describe(rule.what, () => {
    for (const name of rule.good) {
      test(`may be ${JSON.stringify(name.slice(0, 40))}`, () => rule.assert(name))
    }
    for (const name of [...rule.bad, ...everywhere]) {
      const shown = typeof name === 'string' ? JSON.stringify(name.slice(0, 40)) : String(name)
      test(`is not ${shown}`, () => assert.throws(() => rule.assert(name), { code: 'invalid-name' }))
    }
  })
}

import assert from 'node:assert/strict'
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, test } from 'vitest'
import { z } from 'zod'
import { defineEvent, type EventOptions, unchecked } from './definition.ts'
import { splitInto } from './upcasting.ts'

const libraries = {
  Zod: z.object({ orderId: z.string() }),
  Valibot: v.object({ orderId: v.string() }),
  ArkType: type({ orderId: 'string' }),
} as const

describe('a defined event', () => {
  for (const [name, schema] of Object.entries(libraries)) {
    test(`takes a schema of ${name}`, async () => {
      const OrderCreated = defineEvent('order.created', { schema })
      assert.deepEqual(OrderCreated({ orderId: 'o1' }), { type: 'order.created', data: { orderId: 'o1' } })
      const validate = OrderCreated.schema?.['~standard'].validate
      const right = await validate?.({ orderId: 'o1' })
      assert.ok(right !== undefined && right.issues === undefined)
      assert.deepEqual(right.value, { orderId: 'o1' })
      const wrong = await validate?.({ orderId: 1 })
      assert.ok((wrong?.issues?.length ?? 0) > 0)
    })
  }

  test('has defaults, and the type as its name', () => {
    const Created = defineEvent('order.item.created')
    const { type: eventType, version, kind, category, schema, streamId, keep, name } = Created
    assert.deepEqual(
      { eventType, version, kind, category, schema, streamId, keep, name },
      {
        eventType: 'order.item.created',
        version: 1,
        kind: 'domain',
        category: 'order',
        schema: undefined,
        streamId: undefined,
        keep: undefined,
        name: 'order.item.created',
      },
    )
    assert.equal(Created.upcasters.size, 0)
    assert.ok(Object.isFrozen(Created))
  })

  test('keeps what it is given', () => {
    const Changed = defineEvent('price.changed', {
      schema: unchecked<{ sku: string }>(),
      stream: (data) => data.sku,
      category: 'product',
      version: 3,
      upcast: { 1: (old: { code: string }) => ({ id: old.code }), 2: (old: { id: string }) => ({ sku: old.id }) },
    })
    assert.deepEqual([Changed.category, Changed.version], ['product', 3])
    assert.equal(Changed.streamId?.({ sku: 's1' }), 's1')
    assert.deepEqual([...Changed.upcasters.keys()].sort(), [1, 2])
    assert.equal(defineEvent('a.beat', { kind: 'system', keep: '7d' }).keep, 604_800_000)
  })
})

test('a renamed event stays in its streams, unless another category is given', () => {
  const was = ['order.placed', 'order.made']
  assert.equal(defineEvent('purchase.made', { was }).category, 'order')
  assert.equal(defineEvent('purchase.made', { was, category: 'purchase' }).category, 'purchase')
})

test('splitInto takes events that a definition made, without extras', () => {
  const Paid = defineEvent('order.paid')
  assert.deepEqual(splitInto({ n: 1 }, Paid({ n: 2 })).others, [{ type: 'order.paid', data: { n: 2 } }])
  for (const other of [undefined, null, { n: 1 }, Paid({}, { id: 'x' })]) {
    assert.throws(() => splitInto({}, other as ReturnType<typeof Paid>), { code: 'invalid-option' })
  }
})

describe('a definition is refused', () => {
  const options: readonly (readonly [string, object, RegExp])[] = [
    ['version 0', { version: 0 }, /version must be an integer from 1/],
    ['version 1.5', { version: 1.5 }, /version/],
    ['a version that is a text', { version: '2' }, /version/],
    ['an unknown kind', { kind: 'command' }, /kind must be one of domain, system, integration/],
    ['a schema that is none', { schema: {} }, /schema must be a Standard Schema/],
    ['a schema that is null', { schema: null }, /schema/],
    ['a stream that is no function', { stream: 'order-1' }, /stream must be a function/],
    ['keep for a domain event', { keep: '7d' }, /keep is for events of kind system/],
    ['a missing upcaster', { version: 3, upcast: { 1: (x: unknown) => x } }, /upcast\[2\] is missing/],
    [
      'an upcaster of its own version',
      { version: 2, upcast: { 1: (x: unknown) => x, 2: (x: unknown) => x } },
      /upcast\[2\]/,
    ],
    ['an upcaster that is no function', { version: 2, upcast: { 1: 'x' } }, /upcast\[1\]/],
    ['former types that are no array', { was: 'order.placed' }, /was must be an array/],
    ['its own type as a former one', { was: ['order.placed', 'order.created'] }, /was must name other types/],
    ['a former type twice', { was: ['order.placed', 'order.placed'] }, /was must name other types/],
    ["a former type of the framework's", { was: ['hodisa.event.parked'] }, /was must not name types of "hodisa"/],
  ]
  for (const [what, given, message] of options) {
    test(`with ${what}`, () => {
      assert.throws(
        () => defineEvent('order.created', given as EventOptions<never>),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'invalid-definition')
          assert.match(error.message, /^event order\.created: /)
          assert.match(error.message, message)
          return true
        },
      )
    })
  }

  test('with a name or a category that breaks the rules', () => {
    assert.throws(() => defineEvent('OrderCreated'), { code: 'invalid-name' })
    assert.throws(() => defineEvent('order.created', { category: 'a.b' }), { code: 'invalid-name' })
    assert.throws(() => defineEvent('order.created', { was: ['OrderPlaced'] }), { code: 'invalid-name' })
    assert.throws(() => defineEvent('a.beat', { kind: 'system', keep: '7w' as '7d' }), { code: 'invalid-option' })
  })
})

import assert from 'node:assert/strict'
import { defineEvent, dropped, hodisa, splitInto } from 'hodisa'
import { sqlite } from 'hodisa/sqlite'
import { z } from 'zod'
import { all } from './all.ts'

const Signed = defineEvent('user.signed', { schema: z.object({ name: z.string() }) })
const Ordered = defineEvent('order.placed', {
  schema: z.object({ orderId: z.string(), pence: z.number(), paid: z.boolean() }),
  stream: (order) => order.orderId,
})

const before = await hodisa({ source: 'shop', store: sqlite('shop.db'), events: [Signed, Ordered] })
await before.publish('user.signed', { name: 'Ada Lovelace' })
await before.publish('order.placed', { orderId: 'ord_1', pence: 1250, paid: true })
await before.publish('order.placed', { orderId: 'test_1', pence: 1, paid: false })
await before.stop()

// #region chain
const UserSigned = defineEvent('user.signed', {
  version: 3,
  schema: z.object({ firstName: z.string(), lastName: z.string(), kind: z.enum(['person', 'company']) }),
  upcast: {
    1: (v1: { name: string }) => ({ fullName: v1.name }),
    2: (v2: { fullName: string }) => {
      const [firstName = '', ...rest] = v2.fullName.split(' ')
      return { firstName, lastName: rest.join(' '), kind: 'person' as const }
    },
  },
})
// #endregion

// #region split
const OrderPaid = defineEvent('order.paid', {
  schema: z.object({ orderId: z.string(), pence: z.number() }),
  stream: (paid) => paid.orderId,
})

const OrderCreated = defineEvent('order.created', {
  was: ['order.placed'], // it was called so until June
  version: 2,
  schema: z.object({ orderId: z.string(), pence: z.number() }),
  stream: (order) => order.orderId,
  upcast: {
    1: ({ orderId, pence, paid }: { orderId: string; pence: number; paid: boolean }) => {
      if (orderId.startsWith('test_')) return dropped // nobody is to see it
      return paid ? splitInto({ orderId, pence }, OrderPaid({ orderId, pence })) : { orderId, pence }
    },
  },
})
// #endregion

const app = await hodisa({ source: 'shop', store: sqlite('shop.db'), events: [UserSigned, OrderCreated, OrderPaid] })
const [user] = await all(app.read({ types: 'user.signed' }))
assert.deepEqual(user?.data, { firstName: 'Ada', lastName: 'Lovelace', kind: 'person' })

// #region read
for await (const { id, type, version, position } of app.read({ stream: 'order-ord_1' })) {
  console.log(position, type, version, id)
}
// 2 order.created 2 evt_01k…
// 2 order.paid 1 evt_01k…#2
// #endregion

const orders = await all(app.read({ types: 'order.*' }))
assert.deepEqual(
  orders.map(({ type, version }) => `${type} ${version}`),
  ['order.created 2', 'order.paid 1'],
)
await app.stop()

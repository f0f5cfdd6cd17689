import assert from 'node:assert/strict'
import { defineEvent, hodisa } from 'hodisa'
import { sqlite } from 'hodisa/sqlite'
import { z } from 'zod'
import { all } from './all.ts'

// #region before
const UserCreatedV1 = defineEvent('user.created', { schema: z.object({ name: z.string() }) })
// #endregion

const before = await hodisa({ source: 'users', store: sqlite('shop.db'), events: [UserCreatedV1] })
await before.publish('user.created', { name: 'Ada Lovelace' })
await before.stop()

// #region after
const UserCreated = defineEvent('user.created', {
  version: 2,
  schema: z.object({ firstName: z.string(), lastName: z.string() }),
  upcast: {
    1: ({ name }: { name: string }) => {
      const [firstName = '', ...rest] = name.split(' ')
      return { firstName, lastName: rest.join(' ') }
    },
  },
})
// #endregion

const app = await hodisa({ source: 'users', store: sqlite('shop.db'), events: [UserCreated] })
const [event] = await all(app.read())
assert.deepEqual(event?.data, { firstName: 'Ada', lastName: 'Lovelace' })
assert.equal(event?.version, 2)
await app.stop()

// biome-ignore-all assist/source/organizeImports: what is shown begins with its imports
import assert from 'node:assert/strict'
import { Pool } from 'pg'
import { all } from './all.ts'
// #region open
import { hodisa } from 'hodisa'
import { postgres } from 'hodisa/postgres'
import { OrderCreated } from './events.ts'

const url = process.env.DATABASE_URL ?? 'postgres://localhost/shop'
const app = await hodisa({ source: 'order-service', store: postgres(url), events: [OrderCreated] })
await app.publish(OrderCreated({ orderId: 'ord_1', userId: 'usr_1', total: 10 }))
// #endregion
assert.equal((await all(app.read())).length, 1)
await app.stop()

// #region options
const store = postgres(url, {
  schema: 'shop', // 'hodisa' by default; several stores may share a database
  connections: 20, // of this process, at most; 10 by default
  busyTimeout: '5s', // how long a lost connection is waited for; '10s' by default
  migrate: false, // the schema must be there: for a user who may not create it
})
// #endregion
await assert.rejects(hodisa({ source: 'order-service', store }), { code: 'store-unavailable' })

// #region pool
const pool = new Pool({ connectionString: url, max: 20 }) // yours: it is not ended with the app
const shared = await hodisa({ source: 'order-service', store: postgres(pool), events: [OrderCreated] })
// #endregion
assert.equal((await all(shared.read())).length, 1)
await shared.stop()
await pool.end()

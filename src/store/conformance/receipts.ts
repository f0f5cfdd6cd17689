import assert from 'node:assert/strict'
import { anEvent, append, eventsOf, identified } from './events.ts'
import { type Conformance, checks, readAll } from './suite.ts'

/** From a receipt to what it wrote. */
export function receiptsConformance(suite: Conformance): void {
  const check = checks(suite)

  suite.describe('a receipt', () => {
    check('resolves to bucket, type and position of its events only', async ({ store, another }) => {
      await store.append(append(anEvent()))
      const receipt = await store.append(
        append([...eventsOf('order-1', 2), anEvent({ type: 'order.paid', bucket: 9 })]),
      )
      await store.append(append(anEvent()))
      const log = (await readAll(store)).slice(1, 4)
      const expected = log.map(({ bucket, type, position }) => ({ bucket, type, position }))
      for (const each of [store, await another()]) {
        const found = (await each.resolve(receipt.token)) ?? []
        assert.deepEqual(
          [...found]
            .map(({ bucket, type, position }) => ({ bucket, type, position }))
            .sort((a, b) => a.position - b.position),
          expected,
        )
      }
    })

    check('of a partly known batch names the known and the new, and nothing between', async ({ store }) => {
      const known = identified('evt_1', '{}', { type: 'order.created' })
      await store.append(append(known))
      await store.append(append(anEvent({ type: 'order.between' })))
      const { token } = await store.append(append([known, anEvent({ type: 'order.paid' })]))
      const types = ((await store.resolve(token)) ?? []).map(({ type }) => type)
      assert.deepEqual(types.sort(), ['order.created', 'order.paid'])
    })

    check('of concurrent writers names its own events', async ({ store, another }) => {
      const other = await another()
      const receipts = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 ? store : other).append(
            append([anEvent({ type: `a.t${index}` }), anEvent({ type: `b.t${index}` })]),
          ),
        ),
      )
      for (const [index, { token }] of receipts.entries()) {
        const types = ((await store.resolve(token)) ?? []).map(({ type }) => type)
        assert.deepEqual(types.sort(), [`a.t${index}`, `b.t${index}`])
      }
    })

    check('outlives the connection it came from', async ({ store, another }) => {
      const { token } = await store.append(append(eventsOf('order-1', 2)))
      await store.close()
      const resolved = await (await another()).resolve(token)
      assert.equal(resolved?.length, 2)
    })
  })
}

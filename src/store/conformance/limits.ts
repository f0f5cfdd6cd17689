import assert from 'node:assert/strict'
import { anEvent, append, eventsOf, identified } from './events.ts'
import { type Conformance, checks, idsIn, readAll, refused } from './suite.ts'

const ODD_DATA: readonly (readonly [string, unknown])[] = [
  ['emoji', { text: '👩‍👩‍👧‍👦 é e\u0301 \u202e' }],
  ['NUL', { text: 'a\u0000b' }],
  ['a lone surrogate', { text: 'a\ud800b', '\udfff': 1 }],
  ['quotes and newlines', { text: '\'"`\\\n\r\u2028;--' }],
]

/** How large, and how odd. */
export function limitsConformance(suite: Conformance): void {
  const check = checks(suite)

  suite.describe('odd text', () => {
    for (const [what, value] of ODD_DATA) {
      check(`${what} in data comes back as it was`, async ({ store }) => {
        const data = JSON.stringify(value)
        await store.append(append(anEvent({ data, metadata: data })))
        const [read] = await readAll(store)
        assert.deepEqual([read?.data, read?.metadata], [data, data])
        assert.deepEqual(JSON.parse(read?.data ?? ''), value)
      })
    }

    check('a __proto__ key in data stays a key', async ({ store }) => {
      const data = '{"__proto__":{"admin":true},"constructor":1}'
      await store.append(append(anEvent({ data })))
      assert.equal((await readAll(store))[0]?.data, data)
    })

    check('data is kept to the letter, spaces and number forms too', async ({ store }) => {
      const data = '{ "b":1.0, "a": 1e3,\t"a":2 }'
      await store.append(append(anEvent({ data })))
      assert.equal((await readAll(store))[0]?.data, data)
    })

    check('names hold emoji, quotes, __proto__ and constructor', async ({ store }) => {
      for (const name of ['👍🏽', 'o\'brien"', '__proto__', 'constructor', 'toString', 'ünï', ' ']) {
        const stream = `order-${name}`
        const event = identified(`id ${name}`, '{}', { stream, correlationId: name, source: name })
        await store.append(append(event))
        assert.equal((await store.append(append(event))).duplicate, true)
        assert.equal(await store.streamRevision(stream), 1)
        assert.deepEqual(await idsIn(store, { key: stream, correlationId: name }), [event.id])
        assert.deepEqual(
          (await store.byIds([event.id])).map(({ source }) => source),
          [name],
        )
      }
      assert.equal((await store.append(append(identified('__proto__')))).duplicate, false)
      assert.equal((await store.append(append(anEvent({ stream: 'constructor' })))).streams[0]?.revision, 1)
    })

    check('times and positions are whole up to the safe integers', async ({ store }) => {
      const far = 8_640_000_000_000_000
      await store.append(append(anEvent({ timestamp: far, expiresAt: far })))
      const [read] = await readAll(store)
      assert.deepEqual([read?.timestamp, read?.expiresAt], [far, far])
    })
  })

  suite.describe('limits', () => {
    check('an event of 1 MiB is recorded', async ({ store }) => {
      const data = JSON.stringify('é'.repeat(512 * 1024))
      await store.append(append(anEvent({ data })))
      assert.ok((await readAll(store))[0]?.data === data)
    })

    check('an event over the limit is refused and nothing is written', async ({ store }) => {
      const { maxEventBytes } = store.capabilities
      // Two bytes each: fewer characters than the limit has bytes.
      const data = JSON.stringify('é'.repeat(maxEventBytes / 2))
      const error = await refused('event-too-large', store.append(append([anEvent(), anEvent({ data })])))
      assert.equal(error.details.limit, maxEventBytes)
      assert.equal(await store.head(), 0)
    })

    check('metadata counts', async ({ store }) => {
      const half = JSON.stringify('x'.repeat(store.capabilities.maxEventBytes / 2))
      await refused('event-too-large', store.append(append(anEvent({ data: half, metadata: half }))))
      assert.equal(await store.head(), 0)
    })

    check('a batch of 10,000 is recorded in order', async ({ store }) => {
      const events = Array.from({ length: 10_000 }, (_, index) => anEvent({ stream: `thing-${index % 100}` }))
      const receipt = await store.append(append(events))
      assert.equal(receipt.ids.length, 10_000)
      assert.ok(receipt.streams.length === 100 && receipt.streams.every(({ revision }) => revision === 100))
      assert.deepEqual(await idsIn(store), receipt.ids)
      assert.equal((await store.resolve(receipt.token))?.length, 10_000)
      assert.ok(receipt.token.length < 200_000)
    })

    check('a batch over the limit is refused and nothing is written', async ({ store }) => {
      const limit = store.capabilities.maxEventsPerAppend
      const event = anEvent()
      await refused('append-too-large', store.append(append(Array.from({ length: limit + 1 }, () => event))))
      assert.equal(await store.head(), 0)
    })

    check('many streams in one append', async ({ store }) => {
      const events = Array.from({ length: 3_000 }, (_, index) => eventsOf(`thing-${index}`, 1)).flat()
      const receipt = await store.append(append(events))
      assert.equal(receipt.streams.length, 3_000)
    })
  })
}

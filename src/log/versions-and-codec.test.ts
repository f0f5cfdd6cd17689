import { describe, expect, test } from 'vitest'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { all, failure, until } from '../delivery/fixtures/until.ts'
import { type Codec, defineEvent, unchecked } from '../index.ts'

const stream = () => 'x'
const V1 = defineEvent('user.created', { schema: unchecked<{ readonly name: string }>(), stream })
const V3 = defineEvent('user.created', {
  version: 3,
  schema: unchecked<{ readonly names: readonly string[] }>(),
  stream,
  upcast: {
    1: ({ name }: { name: string }) => ({ full: name }),
    2: ({ full }: { full: string }) => ({ names: full.split(' ') }),
  },
})

describe('an event of an older version', () => {
  eachEngine((bed) => {
    test('is seen alike by readers, tails, get and handlers', async () => {
      const place = bed()
      const old = await place.app({ events: [V1] })
      const { ids } = await old.publish(V1({ name: 'Ada Lovelace' }))
      const app = await place.app({ events: [V3] })
      const got: unknown[] = []
      app.service('s', { from: 'start' }).on(V3, ({ data, version }) => void got.push({ data, version }))
      await app.start()
      await app.settled()
      const seen = { data: { names: ['Ada', 'Lovelace'] }, version: 3 }
      expect(got).toEqual([seen])
      expect(await all(app.read())).toMatchObject([seen])
      expect(await app.get(ids[0] ?? '')).toMatchObject(seen)
      expect((await app.tail({ from: 'start' }).next()).value).toMatchObject(seen)
    })

    test('that its upcaster cannot take is named, and parked by services', async () => {
      const Bad = defineEvent('user.created', {
        version: 2,
        schema: unchecked<{ readonly x: string }>(),
        stream,
        upcast: {
          1: () => {
            throw new Error('cannot')
          },
        },
      })
      const place = bed()
      await (await place.app({ events: [V1] })).publish(V1({ name: 'a' }), { id: 'evil' })
      const app = await place.app({ events: [Bad] })
      expect(await failure(() => all(app.read()))).toMatchObject({
        code: 'upcast-failed',
        message: expect.stringMatching(/event evil at position 1 \(version 1\): upcast\[1\] of user\.created threw/),
        details: { id: 'evil', position: 1, type: 'user.created', version: 1 },
      })
      app.service('s', { from: 'start' }).on(Bad, () => undefined)
      await app.start()
      await until(async () => (await app.services.list())[0]?.parked === 1)
    })

    test('or of a former type is seen alike by readers, tails, get and handlers, whichever name is asked for', async () => {
      const Named = defineEvent('user.named', {
        version: 3,
        schema: unchecked<{ readonly names: readonly string[] }>(),
        stream,
        was: ['user.created'],
        upcast: {
          1: ({ name }: { name: string }) => ({ full: name }),
          2: ({ full }: { full: string }) => ({ names: full.split(' ') }),
        },
      })
      const place = bed()
      const { ids } = await (await place.app({ events: [V1] })).publish(V1({ name: 'Ada Lovelace' }))
      const app = await place.app({ events: [Named] })
      await app.publish(Named({ names: ['Grace'] }))
      const got: unknown[] = []
      app.service('s', { from: 'start' }).on(Named, ({ type, data, version }) => void got.push({ type, data, version }))
      await app.start()
      await app.settled()
      const seen = { type: 'user.named', data: { names: ['Ada', 'Lovelace'] }, version: 3 }
      const both = [seen, { type: 'user.named', data: { names: ['Grace'] }, version: 3 }]
      expect(got).toEqual(both)
      expect(await all(app.read())).toMatchObject(both)
      expect(await all(app.read({ types: 'user.named' }))).toMatchObject(both)
      expect(await all(app.read({ types: 'user.named', stream: 'user-x' }))).toMatchObject(both)
      expect(await all(app.read({ types: 'user.created' }))).toMatchObject([seen])
      expect(await app.get(ids[0] ?? '')).toMatchObject(seen)
      expect((await app.tail({ from: 'start', types: 'user.named' }).next()).value).toMatchObject(seen)
    })

    test('published again under the new name with the same id is the same event', async () => {
      const Named = defineEvent('user.named', {
        schema: unchecked<{ readonly name: string }>(),
        was: ['user.created'],
        stream,
      })
      const place = bed()
      await (await place.app({ events: [V1] })).publish(V1({ name: 'Ada' }), { id: 'once' })
      const app = await place.app({ events: [Named] })
      expect(await app.publish(Named({ name: 'Ada' }), { id: 'once' })).toMatchObject({ duplicate: true })
      expect(await failure(() => app.publish('user.created' as 'user.named', { name: 'Ada' }))).toMatchObject({
        code: 'unknown-type',
        message: expect.stringContaining('user.named'),
      })
    })

    test('newer than the code knows is read as it was recorded: its version tells, nothing is made of its data', async () => {
      const place = bed()
      await (await place.app({ events: [V3] })).publish(V3({ names: ['Ada'] }))
      const app = await place.app({ events: [V1] })
      expect(await all(app.read())).toMatchObject([{ type: 'user.created', version: 3, data: { names: ['Ada'] } }])
    })

    test('without a definition is given as it was recorded', async () => {
      const place = bed()
      await (await place.app({ events: [V1] })).publish(V1({ name: 'a' }))
      expect(await all((await place.app()).read())).toMatchObject([{ version: 1, data: { name: 'a' } }])
    })
  })
})

describe('a codec', () => {
  const turned = (text: string) => [...text].reverse().join('')
  const sync: Codec = { name: 'turned', encode: turned, decode: turned }
  const async: Codec = {
    name: 'late',
    encode: async (text) => turned(text),
    decode: async (text) => turned(text),
  }
  const Answer = defineEvent('answer.given', { schema: unchecked<{ readonly to: string }>() })

  eachEngine((bed) => {
    test.for([
      ['synchronous', sync],
      ['asynchronous', async],
    ] as const)('that is %s stands between the data and the log', async ([, codec]) => {
      const place = bed()
      const app = await place.app({ events: [V1, Answer], codec })
      const got: unknown[] = []
      app.service('s', { from: 'start' }).on(V1, ({ data }) => void got.push(data))
      await app.start()
      await app.publish(V1({ name: 'Ada' }))
      await app.settled()
      expect(got).toEqual([{ name: 'Ada' }])
      expect(await all(app.read())).toMatchObject([{ data: { name: 'Ada' } }])
      const blind = await place.app({ events: [V1] })
      expect(await failure(() => all(blind.read()))).toMatchObject({ code: 'capability-missing' })
    })

    test('that is asynchronous is refused where the call cannot wait', async () => {
      const app = await bed().app({ events: [V1], codec: async })
      expect(await failure(() => app.transaction((tx) => tx.publish(V1({ name: 'a' }))))).toMatchObject({
        code: 'async-schema',
      })
    })
  })
})

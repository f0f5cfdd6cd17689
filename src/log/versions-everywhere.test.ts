import { describe, expect, test } from 'vitest'
import { eachEngine } from '../delivery/fixtures/bed.ts'
import { all, until } from '../delivery/fixtures/until.ts'
import { defineAggregate, defineEvent, defineProjection, dropped, splitInto, unchecked } from '../index.ts'

type Sum = Readonly<Record<string, number>>

const stream = () => 'a1'
const Moved1 = defineEvent('account.moved', { schema: unchecked<{ readonly by: string }>(), stream })
const Moved2 = defineEvent('account.moved', {
  version: 2,
  schema: unchecked<{ readonly by: number }>(),
  stream,
  upcast: { 1: ({ by }: { by: string }) => ({ by: Number(by) }) },
})
const Fee = defineEvent('account.charged', { schema: unchecked<{ readonly fee: number }>(), stream })
const Changed = defineEvent('account.changed', {
  version: 3,
  was: ['account.moved'],
  schema: unchecked<{ readonly cents: number }>(),
  stream,
  upcast: {
    1: ({ by }: { by: string }) => ({ by: Number(by) }),
    2: ({ by }: { by: number }) => {
      if (by === 0) return dropped
      return by < 0 ? splitInto({ cents: by * 100 }, Fee({ fee: 1 })) : { cents: by * 100 }
    },
  },
})

const Account = defineAggregate('account', {
  events: [Changed, Fee],
  initial: { seen: [] as readonly string[] },
  evolve: {
    'account.changed': ({ seen }, { data }) => ({ seen: [...seen, `changed ${data.cents}`] }),
    'account.charged': ({ seen }, { data }) => ({ seen: [...seen, `charged ${data.fee}`] }),
  },
  commands: {},
})

const Totals = defineProjection<Sum>('totals', { version: 1, indexes: [] })
  .on(Changed, async (view, { data }) => {
    view.set('changed', { sum: ((await view.get('changed'))?.sum ?? 0) + data.cents })
  })
  .on(Fee, async (view, { data }) => {
    view.set('charged', { sum: ((await view.get('charged'))?.sum ?? 0) + data.fee })
  })

/** 5, 0, -3, 2, -1 and 4 in the three versions in turn; the last two under the new name. */
const SEEN = ['changed 500', 'changed -300', 'charged 1', 'changed 200', 'changed -100', 'charged 1', 'changed 400']

describe('events of three versions and two names, some dropped, some split', () => {
  eachEngine((bed) => {
    test('are seen alike by handlers, aggregates, projections, reads and tails', async () => {
      const place = bed()
      const [one, two] = [await place.app({ events: [Moved1] }), await place.app({ events: [Moved2] })]
      await one.publish([Moved1({ by: '5' }), Moved1({ by: '0' }), Moved1({ by: '-3' })])
      await two.publish([Moved2({ by: 2 }), Moved2({ by: -1 })])
      const app = await place.app({ events: [Changed, Fee] })
      await app.publish(Changed({ cents: 400 }))

      const nameOf = ({ type, data }: { readonly type: string; readonly data: unknown }) =>
        `${type.split('.')[1]} ${Object.values(data as object).join()}`
      const handled: string[] = []
      app
        .service('s', { from: 'start' })
        .on(Changed, (event) => void handled.push(nameOf(event)))
        .on(Fee, (event) => void handled.push(nameOf(event)))
      app.project(Totals)
      await app.start()
      await app.settled()
      expect(handled).toEqual(SEEN)
      expect((await all(app.read())).map(nameOf)).toEqual(SEEN)
      expect((await all(app.read({ stream: 'account-a1' }))).map(nameOf)).toEqual(SEEN)
      const tailed: string[] = []
      for await (const event of app.tail({ from: 'start' })) if (tailed.push(nameOf(event)) === SEEN.length) break
      expect(tailed).toEqual(SEEN)
      expect((await app.load(Account, 'a1')).state.seen).toEqual(SEEN)
      await until(async () => (await app.view(Totals).get('changed'))?.sum === 700)
      expect(await app.view(Totals).get('charged')).toMatchObject({ sum: 2 })
    })
  })
})

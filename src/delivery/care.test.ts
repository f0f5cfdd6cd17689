import { expect, test } from 'vitest'
import { HodisaError } from '../errors.ts'
import { bucketOf } from '../event/bucket.ts'
import { type App, defineEvent, unchecked } from '../index.ts'
import type { Progress } from '../store/groups.ts'
import type { Store } from '../store/port.ts'
import { eachEngine } from './fixtures/bed.ts'
import { withFaults } from './fixtures/faults.ts'
import { until } from './fixtures/until.ts'

const Sent = defineEvent('mail.sent', { schema: unchecked<{ readonly to: string }>() })

eachEngine((bed) => {
  test.each([
    ['commits', true],
    ['commits nothing', false],
  ])(
    'what ran alone after a death, and %s, is not run again because the store does not hear that the process lives',
    async (_, commits) => {
      const place = bed()
      const stores: Store[] = []
      const app = await place.app({ events: [Sent] }, (store) => {
        stores.push(store)
        return withFaults(store, (method, [change]) => {
          const tells = method === 'progress' && (change as Progress).survived !== undefined
          return tells ? new HodisaError('store-unavailable', 'no answer', {}) : undefined
        })
      })
      const [store] = stores
      if (store === undefined) throw new Error('no store')
      await app.publish([Sent({ to: 'me' }, { key: 'k' }), Sent({ to: 'you' }, { key: 'k' })])
      await diedAt(store, 1, bucketOf('k'))

      const begun: string[] = []
      app.service('mail', { from: 'start', retry: { min: 1, max: 2 } }).on(Sent, async ({ data: { to } }, ctx) => {
        begun.push(to)
        if (commits) await ctx.commit()
      })
      await app.start()
      await until(() => begun.includes('you'))
      await (app as unknown as App).settled()
      expect(begun).toEqual(['me', 'you'])
    },
  )
})

/** An instance died while an event ran. */
async function diedAt(store: Store, position: number, bucket: number): Promise<void> {
  const leases = Array.from({ length: 256 }, (_, index) => ({ bucket: index, owner: 'ins_dead', epoch: 1 }))
  const members = [{ instance: 'ins_dead', patterns: ['mail.sent'], versions: {} }]
  const subscriptions = [{ pattern: 'mail.sent', since: 0 }]
  await store.groups.update('mail', 0, { members, subscriptions, leases })
  const started = [{ bucket, position, alone: false }]
  await store.progress({ service: 'mail', instance: 'ins_dead', fences: [{ bucket, epoch: 1 }], started })
  const freed = leases.map((lease) => ({ bucket: lease.bucket, owner: null, epoch: 2, carefulUntil: 2 }))
  await store.groups.update('mail', 1, { members: [], fold: ['ins_dead'], died: ['ins_dead'], leases: freed })
}

import { expect, test } from 'vitest'
import { HodisaError } from '../errors.ts'
import { bucketOf } from '../event/bucket.ts'
import { type App, defineEvent, unchecked } from '../index.ts'
import { gate } from '../store/conformance/suite.ts'
import type { Store } from '../store/port.ts'
import { eachEngine } from './fixtures/bed.ts'
import { withFaults } from './fixtures/faults.ts'
import { until } from './fixtures/until.ts'

const Sent = defineEvent('mail.sent', { schema: unchecked<{ readonly name: string }>() })

eachEngine((bed) => {
  test('what was claimed is not passed by a mark before it was taken over', async () => {
    const place = bed()
    const begun: string[] = []
    const handled: string[] = []
    const [later, never] = [gate(), gate()]
    /** Answers of the store that the first instance did not get, after it had claimed. */
    const lost = { from: false, count: 0 }
    const start = async (wrap?: (store: Store) => Store): Promise<App> => {
      const app = await place.app({ events: [Sent] }, wrap)
      app.service('mail', { from: 'start', concurrency: 2 }).on(Sent, async ({ data: { name } }) => {
        begun.push(name)
        if (name === 'later') await later.opened
        else if (begun.length === 1) await never.opened
        handled.push(name)
      })
      await app.start()
      return app as unknown as App
    }
    const groups: Store['groups'][] = []
    const leases = async () => (await groups[0]?.read('mail'))?.leases ?? []
    const first = await start((store) => {
      groups.push(store.groups)
      return withFaults(store, (method) => {
        if (method !== 'groups.done' || !lost.from) return undefined
        lost.count++
        return new HodisaError('store-unavailable', 'no answer', {})
      })
    })
    await until(async () => (await leases()).every(({ owner }) => owner !== null))
    const own = (await leases())[0]?.owner
    const second = await start()
    await until(async () => (await leases()).filter(({ owner }) => owner !== own && owner !== null).length === 128)
    const held = await leases()
    const keys = Array.from({ length: 1_000 }, (_, index) => `key${index}`)
    const keyOf = (mine: boolean) => keys.find((key) => (held[bucketOf(key)]?.owner === own) === mine) ?? ''

    await first.publish(Sent({ name: 'left' }, { key: keyOf(false) }))
    await until(() => begun.includes('left'))
    await first.publish(Sent({ name: 'later' }, { key: keyOf(true) }))
    await until(() => begun.includes('later'))
    lost.from = true
    await second.stop({ timeout: 0 })
    await until(() => lost.count > 0)
    later.open()
    await until(() => handled.includes('later'))
    await first.stop()

    const third = await start()
    await third.settled()
    expect(handled).toEqual(['later', 'left'])
    never.open()
  })
})

import { expect, onTestFinished, test } from 'vitest'
import { until } from '../../delivery/fixtures/until.ts'
import { letterOf } from '../../store/conformance/group-values.ts'
import { hostAt } from '../../store/conformance/suite.ts'
import type { Hint } from '../../store/port.ts'
import { describeOnPostgres, postgresPlace } from '../../testing/postgres/fixtures/place.ts'
import { postgres } from './index.ts'

describeOnPostgres('notifications of PostgreSQL', () => {
  test('name the service whose group or dead letters have changed, so that nobody reads the state of all', async () => {
    const { url, schema, dispose } = await postgresPlace()
    onTestFinished(dispose)
    const open = () => postgres(url, { schema }).open(hostAt({ now: 0 }))
    const [store, other] = [await open(), await open()]
    onTestFinished(async () => void (await Promise.all([store.close(), other.close()])))
    const heard: Hint[] = []
    other.watch((hint) => heard.push(hint))
    const names = (service: string) => heard.some(({ services }) => services?.size === 1 && services.has(service))
    // Until the connection listens, what changes is found by looking, which tells of any.
    for (let revision = 0; !names('e-mail for all'); revision++) {
      await store.groups.update('e-mail for all', revision, { paused: `${revision}` })
      await other.presence.list() // on the connection that listens: what was sent to it by then has been heard
    }
    await store.progress({
      service: 'billing',
      instance: 'i1',
      fences: [],
      deadLetters: [{ put: letterOf('dl_1', 1, { service: 'billing' }) }],
    })
    await until(() => names('billing'))
    expect(heard.every(({ services }) => services === undefined || services.size > 0)).toBe(true)
  })
})

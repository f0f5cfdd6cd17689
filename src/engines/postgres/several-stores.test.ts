import { expect, onTestFinished, test } from 'vitest'
import { Noted } from '../../delivery/fixtures/events.ts'
import { all, failure, until } from '../../delivery/fixtures/until.ts'
import { anEvent, append } from '../../store/conformance/events.ts'
import { hostAt } from '../../store/conformance/suite.ts'
import type { Hint } from '../../store/port.ts'
import { newName } from '../../testing/postgres/databases.ts'
import { describeOnPostgres, postgresPlace } from '../../testing/postgres/fixtures/place.ts'
import { appOn, clientOf } from './fixtures/own-server.ts'
import { postgres } from './index.ts'

describeOnPostgres('several stores in one database', () => {
  test('share nothing: events, streams, ids and services of one are not those of the other', async () => {
    const { url, schemas } = await places()
    const apps = await Promise.all(schemas.map((schema) => appOn(url, { schema })))
    const handled = await Promise.all(
      apps.map(async (app) => {
        const numbers: number[] = []
        app.service('email', { from: 'start' }).on(Noted, ({ data }) => void numbers.push(data.n))
        await app.start()
        return numbers
      }),
    )
    for (const [index, app] of apps.entries()) {
      const receipt = await app.publish(Noted({ key: 'a', n: index }), { id: 'evt_same', expectedRevision: 0 })
      expect(receipt).toMatchObject({ duplicate: false, streams: [{ stream: 'test-a', revision: 1 }] })
    }
    await Promise.all(apps.map((app) => app.settled()))
    expect(handled).toEqual([[0], [1]])
    for (const app of apps) expect(await all(app.read({ types: Noted.type }))).toHaveLength(1)
  })

  test('do not hear each other', async () => {
    const { url, schemas } = await places()
    const [one, other] = await Promise.all(schemas.map((schema) => postgres(url, { schema }).open(hostAt({ now: 0 }))))
    if (one === undefined || other === undefined) throw new Error('no stores')
    onTestFinished(async () => void (await Promise.all([one.close(), other.close()])))
    const heard: Hint[] = []
    const first = Promise.withResolvers<void>()
    one.watch(({ head = 0 }) => head > 0 && first.resolve())
    other.watch((hint) => heard.push(hint))
    await other.append(append(anEvent()))
    await until(() => heard.some(({ head }) => head === 1))
    for (let round = 0; round < 5; round++) {
      await one.append(append(anEvent()))
      await one.groups.update(`service${round}`, 0, { paused: 'for a test' })
    }
    await first.promise
    await one.head()
    // What was sent to the one by then would have been sent to the other.
    await other.presence.list()
    expect(heard.filter(({ head = 1 }) => head > 1)).toEqual([])
  })

  test('one is gone with its schema, and the other does not notice', async () => {
    const { url, schemas } = await places()
    const [gone, stays] = schemas
    if (gone === undefined || stays === undefined) throw new Error('no names')
    const app = await appOn(url, { schema: stays })
    const dropped = await appOn(url, { schema: gone })
    await dropped.publish(Noted({ key: 'a', n: 1 }))
    const client = await clientOf(url)
    await client.query(`drop schema ${gone} cascade`)
    expect(await failure(() => dropped.publish(Noted({ key: 'a', n: 2 })))).toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining(gone),
    })
    await dropped.stop()
    await app.publish(Noted({ key: 'a', n: 3 }))
    expect(await all(app.read({ types: Noted.type }))).toHaveLength(1)
    const left = `select (select count(*) from pg_namespace where nspname = $1) + (select count(*) from pg_proc p
      join pg_namespace n on n.oid = p.pronamespace where n.nspname = $1) as count`
    expect((await client.query(left, [gone])).rows).toEqual([{ count: '0' }])
    const anew = await appOn(url, { schema: gone })
    await anew.publish(Noted({ key: 'a', n: 1 }))
    expect(await all(anew.read({ types: Noted.type }))).toHaveLength(1)
  })
})

async function places(): Promise<{ readonly url: string; readonly schemas: readonly string[] }> {
  const { url, schema, dispose } = await postgresPlace()
  onTestFinished(dispose)
  const other = newName('test_')
  onTestFinished(async () => void (await (await clientOf(url)).query(`drop schema if exists ${other} cascade`)))
  return { url, schemas: [schema, other] }
}

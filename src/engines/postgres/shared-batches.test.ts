import { expect, onTestFinished, test, vi } from 'vitest'
import { failure } from '../../delivery/fixtures/until.ts'
import { anEvent, append, expecting } from '../../store/conformance/index.ts'
import { hostAt } from '../../store/conformance/suite.ts'
import type { AppendRequest } from '../../store/events.ts'
import { describeOnPostgres, postgresPlace } from '../../testing/postgres/fixtures/place.ts'
import { describeOnOwnServer, ownServer } from './fixtures/own-server.ts'
import { postgres } from './index.ts'

vi.setConfig({ testTimeout: 60_000 })

async function opened() {
  const { url, schema, dispose } = await postgresPlace()
  const open = () => postgres(url, { schema }).open(hostAt({ now: 1_000 }))
  const store = await open()
  onTestFinished(async () => {
    await store.close()
    await dispose()
  })
  return { store, url, schema, open }
}

describeOnPostgres('appends that are asked for together', () => {
  test.each<[string, AppendRequest]>([
    ['of two tenants', append([anEvent({ tenant: 'a' }), anEvent({ tenant: 'b' })])],
    ['with a number that the server has no place for', append(anEvent({ version: 2 ** 40 }))],
  ])('what is refused because of itself alone refuses no other: %s', async (_, wrong) => {
    const { store } = await opened()
    const outcomes = await Promise.allSettled([
      store.append(append(anEvent({ stream: 'a-1' }))),
      store.append(wrong),
      store.append(append(anEvent({ stream: 'a-1' }))),
      store.append(append(anEvent(), [expecting('a-1', 2)])),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    expect(await store.head()).toBe(3)
  })

  test('whatever was accepted is recorded before the store closes', async () => {
    const { store, open } = await opened()
    const inline = { projections: [], run: async () => undefined }
    const appended = Promise.all([
      store.append({ ...append(anEvent()), inline }),
      store.append(append(anEvent())),
      store.append({ ...append(anEvent({ stream: 'a-1' })), inline }),
      store.append({ ...append(anEvent({ stream: 'a-1' })), inline }),
    ])
    await store.close()
    await appended
    const other = await open()
    onTestFinished(() => other.close())
    expect(await other.head()).toBe(4)
  })
})

describeOnOwnServer('a server that stays away', () => {
  test('an append that only checks fails when patience is over, as any other', async () => {
    const server = await ownServer()
    const store = await postgres(server.url, { busyTimeout: '300ms' }).open(hostAt({ now: 1_000 }))
    onTestFinished(() => store.close())
    await server.stop()
    for (const request of [append([], [expecting('a-1', 'none')]), append(anEvent())]) {
      expect(await failure(() => store.append(request))).toMatchObject({ code: 'store-unavailable' })
    }
  })
})

import assert from 'node:assert/strict'
import type { InstanceInfo } from '../port.ts'
import { type Conformance, checks } from './suite.ts'

function instance(id: string): InstanceInfo {
  return { id, source: 'shop', host: 'host-1', machine: 'boot-1', pid: 4711, startedAt: 1_700_000_000_000 }
}

/** Who is there, and who still moves. */
export function presenceConformance(suite: Conformance): void {
  const check = checks(suite)

  suite.describe('presence', () => {
    check('is announced to every connection, and ends by leaving', async ({ store, another }) => {
      const other = await another()
      assert.deepEqual(await other.presence.list(), [])
      await store.presence.join(instance('a'))
      await other.presence.join(instance('b'))
      const listed = [...(await other.presence.list())].sort((a, b) => (a.id < b.id ? -1 : 1))
      assert.deepEqual(listed, [instance('a'), instance('b')])
      assert.equal(await store.presence.leave('a'), true)
      assert.equal(await store.presence.leave('a'), false)
      assert.deepEqual(await store.presence.list(), [instance('b')])
    })

    check('a beat raises the own counter only, and tells those of all', async ({ store, another }) => {
      const other = await another()
      await store.presence.join(instance('a'))
      await other.presence.join(instance('b'))
      const first = await store.presence.beat('a')
      const second = await store.presence.beat('a')
      assert.deepEqual([first.alive, second.alive], [true, true])
      assert.equal(second.beats.get('a'), (first.beats.get('a') ?? Number.NaN) + 1)
      assert.equal(second.beats.get('b'), first.beats.get('b'))
      const seen = await other.presence.beat('b')
      assert.equal(seen.beats.get('a'), second.beats.get('a'))
      assert.ok((seen.beats.get('b') ?? 0) > (second.beats.get('b') ?? 0))
    })

    check('tells one that was taken for dead', async ({ store, another }) => {
      await store.presence.join(instance('a'))
      await (await another()).presence.leave('a')
      const { alive, beats } = await store.presence.beat('a')
      assert.deepEqual([alive, beats.has('a')], [false, false])
      assert.deepEqual(await store.presence.list(), [])
    })

    check('with a stale beat cannot be ended', async ({ store, another }) => {
      const other = await another()
      await store.presence.join(instance('a'))
      await other.presence.join(instance('b'))
      const { beats } = await other.presence.beat('b')
      const seen = beats.get('a')
      assert.ok(seen !== undefined)
      const own = await store.presence.beat('a')
      assert.equal(await other.presence.leave('a', seen), false)
      assert.equal((await store.presence.beat('a')).alive, true)
      const now = (await other.presence.beat('b')).beats.get('a')
      assert.ok(now !== undefined && now > (own.beats.get('a') ?? Number.NaN))
      assert.equal(await other.presence.leave('a', now), true)
    })

    check('of one that never joined is not alive', async ({ store }) => {
      assert.equal((await store.presence.beat('nobody')).alive, false)
      assert.equal(await store.presence.leave('nobody'), false)
    })
  })
}

import assert from 'node:assert/strict'
import type { GroupState } from '../groups.ts'
import { cursorOf, letterOf, owning } from './group-values.ts'
import { type Conformance, checks } from './suite.ts'

/** Groups: compare-and-set, folding of marks, effective checkpoints, forgetting. */
export function groupsConformance(suite: Conformance): void {
  const check = checks(suite)

  suite.describe('a group', () => {
    check('that is not recorded is at revision 0 with 256 free leases', async ({ store }) => {
      const state = await store.groups.read('email')
      assert.deepEqual({ ...state, leases: [] }, {
        service: 'email',
        revision: 0,
        paused: null,
        subscriptions: [],
        members: [],
        breakers: [],
        leases: [],
      } satisfies GroupState)
      assert.deepEqual(
        state.leases.map((lease) => ({ ...lease })),
        Array.from({ length: 256 }, (_, bucket) => ({
          bucket,
          owner: null,
          epoch: 0,
          checkpoint: 0,
          covered: null,
          needs: null,
          carefulUntil: null,
        })),
      )
      assert.deepEqual(await store.groups.list(), [])
      assert.deepEqual([...(await store.groups.revisions())], [])
      assert.deepEqual((await store.groups.progress('email')).checkpoints, new Array(256).fill(0))
    })

    check('comes back as it was written, on every connection', async ({ store, another }) => {
      const other = await another()
      const members = [{ instance: 'i1', patterns: ['order.**'], versions: { 'order.created': 2, constructor: 1 } }]
      const subscriptions = [{ pattern: 'order.**', since: 7 }]
      const lease = {
        bucket: 255,
        owner: 'i1',
        epoch: 3,
        checkpoint: 12,
        covered: [{ pattern: 'order.**', until: 90 }],
        needs: { type: 'order.created', version: 2 },
        carefulUntil: 41,
      }
      assert.equal(await store.groups.update('email', 0, { members, subscriptions, leases: [lease] }), true)
      for (const each of [store, other]) {
        const state = await each.groups.read('email')
        assert.equal(state.revision, 1)
        assert.deepEqual([state.members, state.subscriptions, state.leases[255]], [members, subscriptions, lease])
        assert.equal(state.leases[254]?.owner, null)
        assert.deepEqual(await each.groups.list(), ['email'])
        assert.deepEqual([...(await each.groups.revisions())], [['email', 1]])
      }
    })

    check('leaves what a change does not name as it is', async ({ store }) => {
      await store.groups.update('email', 0, { subscriptions: [{ pattern: '**', since: 0 }], paused: 'by hand' })
      await store.groups.update('email', 1, { leases: [{ bucket: 3, owner: 'i1', epoch: 1, checkpoint: 5 }] })
      await store.groups.update('email', 2, { leases: [{ bucket: 3, epoch: 2 }] })
      const state = await store.groups.read('email')
      assert.equal(state.paused, 'by hand')
      assert.equal(state.subscriptions.length, 1)
      assert.deepEqual([state.leases[3]?.owner, state.leases[3]?.epoch, state.leases[3]?.checkpoint], ['i1', 2, 5])
      await store.groups.update('email', 3, { paused: null, leases: [{ bucket: 3, owner: null, covered: null }] })
      const free = await store.groups.read('email')
      assert.deepEqual([free.paused, free.leases[3]?.owner, free.leases[3]?.checkpoint], [null, null, 5])
    })

    check('is changed at its own revision only', async ({ store, another }) => {
      const other = await another()
      assert.equal(await store.groups.update('email', 1, { paused: 'x' }), false)
      assert.equal((await store.groups.read('email')).revision, 0)
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 ? store : other).groups.update('email', 0, { paused: `by ${index}` }),
        ),
      )
      assert.equal(outcomes.filter(Boolean).length, 1)
      const state = await store.groups.read('email')
      assert.deepEqual([state.revision, state.paused], [1, `by ${outcomes.indexOf(true)}`])
      assert.equal(await other.groups.update('email', 0, { paused: 'late' }), false)
      assert.equal(await other.groups.update('email', 1, {}), true)
      assert.equal((await store.groups.read('email')).revision, 2)
    })

    check('is one of several that do not touch each other', async ({ store }) => {
      await store.groups.update('email', 0, { leases: [{ bucket: 1, owner: 'i1', epoch: 1 }] })
      await store.groups.update('Email', 0, { paused: 'x' })
      await store.groups.update('email.a', 0, {})
      assert.equal((await store.groups.read('Email')).leases[1]?.owner, null)
      assert.deepEqual([...(await store.groups.list())].sort(), ['Email', 'email', 'email.a'])
      assert.equal((await store.groups.revisions()).size, 3)
    })

    check('hands out documents of its own', async ({ store }) => {
      const members = [{ instance: 'i1', patterns: ['a'], versions: { a: 1 } }]
      await store.groups.update('email', 0, { members })
      members[0]?.patterns.push('b')
      const read = await store.groups.read('email')
      assert.deepEqual(read.members[0]?.patterns, ['a'])
      try {
        Object.assign(read.members[0]?.versions ?? {}, { a: 9 })
        Object.assign(read.leases[0] ?? {}, { owner: 'thief' })
      } catch {
        // frozen, which is as good
      }
      const again = await store.groups.read('email')
      assert.deepEqual([again.members[0]?.versions, again.leases[0]?.owner], [{ a: 1 }, null])
    })
  })

  suite.describe('marks and checkpoints', () => {
    check('a mark counts for exactly the leases of its instance', async ({ store, another }) => {
      const revision = await owning(store, { i1: [0, 1], i2: [2] })
      await store.groups.update('email', revision, { leases: [{ bucket: 1, checkpoint: 50 }] })
      await store.progress({ service: 'email', instance: 'i1', fences: [], groupRevision: revision + 1, mark: 20 })
      for (const each of [store, await another()]) {
        const { leases } = await each.groups.read('email')
        const effective = leases.slice(0, 4).map(({ checkpoint }) => checkpoint)
        assert.deepEqual(effective, [20, 50, 0, 0])
        assert.deepEqual((await each.groups.progress('email')).checkpoints.slice(0, 4), effective)
      }
    })

    check('a mark is never lowered', async ({ store }) => {
      const groupRevision = await owning(store, { i1: [0] })
      for (const mark of [20, 10]) {
        await store.progress({ service: 'email', instance: 'i1', fences: [], groupRevision, mark })
      }
      assert.equal((await store.groups.read('email')).leases[0]?.checkpoint, 20)
    })

    check('breakers are kept until they are changed', async ({ store, another }) => {
      const revision = await owning(store, { i1: [0] })
      const breakers = [{ handler: 'order.*', openedAt: 1_700_000_000_000, probes: 1, probeAt: 1_700_000_001_000 }]
      await store.groups.update('email', revision, { breakers })
      await store.groups.update('email', revision + 1, { paused: null })
      assert.deepEqual((await (await another()).groups.read('email')).breakers, breakers)
    })

    check(
      'what was begun with care is found until it is finished, passed by the mark, or survived',
      async ({ store }) => {
        const groupRevision = await owning(store, { i1: [0, 1] })
        const base = { service: 'email', instance: 'i1', fences: [] }
        const started = [5, 6, 7, 8, 9].map((position) => ({ bucket: position % 2, position, alone: false }))
        await store.progress({ ...base, started })
        await store.progress({ ...base, done: [{ bucket: 0, position: 6 }] })
        await store.progress({ ...base, groupRevision, mark: 5 })
        await store.progress({ ...base, survived: [9] })
        const left = [
          { bucket: 1, position: 7, deaths: 0 },
          { bucket: 0, position: 8, deaths: 0 },
        ]
        assert.deepEqual(await store.groups.started('email', new Set([0, 1])), left)
        assert.deepEqual(await store.groups.started('email', new Set([1])), left.slice(0, 1))
        assert.deepEqual(await store.groups.started('sms', new Set([1])), [])
      },
    )

    check('a death counts for what the dead had begun alone, once', async ({ store }) => {
      const revision = await owning(store, { i1: [0] })
      const begin = (instance: string, position: number, alone: boolean) =>
        store.progress({ service: 'email', instance, fences: [], started: [{ bucket: 0, position, alone }] })
      await begin('i1', 1, true)
      await begin('i1', 2, false)
      await begin('i2', 3, true)
      await store.groups.update('email', revision, { died: ['i1'] })
      await store.groups.update('email', revision + 1, { died: ['i1'] })
      const deaths = async () => (await store.groups.started('email', new Set([0]))).map((mark) => mark.deaths)
      assert.deepEqual(await deaths(), [1, 0, 0])
      await begin('i2', 1, true)
      await store.groups.update('email', revision + 2, { died: ['i2'] })
      assert.deepEqual(await deaths(), [2, 0, 1])
    })

    check('folding writes the mark into the leases that were owned, then the leases move', async ({ store }) => {
      const revision = await owning(store, { i1: [0, 1, 2], i2: [3] })
      await store.groups.update('email', revision, { leases: [{ bucket: 2, checkpoint: 99 }] })
      await store.progress({ service: 'email', instance: 'i1', fences: [], groupRevision: revision + 1, mark: 20 })
      await store.progress({ service: 'email', instance: 'i2', fences: [], groupRevision: revision + 1, mark: 70 })
      const leases = [
        { bucket: 0, owner: 'i2', epoch: 2 },
        { bucket: 1, owner: null, epoch: 2 },
      ]
      await store.groups.update('email', revision + 2 - 1, { fold: ['i1', 'i2'], leases })
      const state = await store.groups.read('email')
      assert.deepEqual(
        state.leases.slice(0, 5).map(({ checkpoint, owner }) => [checkpoint, owner]),
        [
          [20, 'i2'],
          [20, null],
          [99, 'i1'],
          [70, 'i2'],
          [0, null],
        ],
      )
    })

    check('rewinding takes leases back and remembers what was finished, marks included', async ({ store }) => {
      const revision = await owning(store, { i1: [0, 1] })
      const mark = { service: 'email', instance: 'i1', fences: [], groupRevision: revision, mark: 40 }
      await store.progress(mark)
      await store.groups.update('email', revision, { leases: [{ bucket: 2, checkpoint: 10 }] })
      const rewind = { from: 20, patterns: ['order.*'] }
      assert.equal(await store.groups.update('email', revision + 1, { fold: ['i1'], rewind }), true)
      const { leases } = await store.groups.read('email')
      const covered = [{ pattern: 'order.*', until: 40 }]
      assert.deepEqual(leases[0], {
        bucket: 0,
        owner: 'i1',
        epoch: 1,
        checkpoint: 20,
        covered,
        needs: null,
        carefulUntil: null,
      })
      assert.deepEqual([leases[2]?.checkpoint, leases[2]?.covered], [10, null])
      const again = { from: 5, patterns: ['order.*', 'payment.*'] }
      await store.groups.update('email', revision + 2, { fold: [], rewind: again })
      assert.deepEqual((await store.groups.read('email')).leases[0]?.covered, [
        ...covered,
        { pattern: 'payment.*', until: 20 },
      ])
    })

    check('a folded mark is gone: a lease claimed later does not jump to it', async ({ store }) => {
      const revision = await owning(store, { i1: [0] })
      await store.progress({ service: 'email', instance: 'i1', fences: [], groupRevision: revision, mark: 20 })
      await store.groups.update('email', revision, { fold: ['i1'], leases: [{ bucket: 5, owner: 'i1', epoch: 1 }] })
      assert.equal((await store.groups.read('email')).leases[5]?.checkpoint, 0)
      await store.progress({ service: 'email', instance: 'i1', fences: [], groupRevision: revision + 1, mark: 8 })
      const { leases } = await store.groups.read('email')
      assert.deepEqual([leases[0]?.checkpoint, leases[5]?.checkpoint], [20, 8])
    })

    check('a checkpoint that is given is set as it is, lower ones too', async ({ store }) => {
      const revision = await owning(store, { i1: [0] })
      await store.progress({ service: 'email', instance: 'i1', fences: [], groupRevision: revision, mark: 20 })
      await store.groups.update('email', revision, { fold: ['i1'], leases: [{ bucket: 0, checkpoint: 3 }] })
      assert.equal((await store.groups.read('email')).leases[0]?.checkpoint, 3)
    })
  })

  suite.describe('forgetting', () => {
    check('progress after a position removes done rows, cursors and their dead letters above it', async ({ store }) => {
      const groupRevision = await owning(store, { i1: [0, 1] })
      const [low, high] = [letterOf('dl_1', 10, { key: 'k-low' }), letterOf('dl_2', 11, { key: 'k-high' })]
      await store.progress({
        service: 'email',
        instance: 'i1',
        fences: [{ bucket: 0, epoch: 1 }],
        groupRevision,
        done: [9, 10, 11, 12].map((position) => ({ bucket: 0, position })),
        cursors: [
          { put: cursorOf('k-low', 10, { state: 'parked', deadLetter: low.id }) },
          { put: cursorOf('k-high', 11, { state: 'parked', deadLetter: high.id }) },
        ],
        deadLetters: [{ put: low }, { put: high }],
      })
      await store.groups.update('email', groupRevision, { forgetProgressAfter: 10 })
      const done = await store.groups.done('email', new Set([0]))
      assert.deepEqual(done.map(({ position }) => position).sort(), [10, 9])
      assert.deepEqual(
        (await store.groups.cursors('email')).map(({ key }) => key),
        ['k-low'],
      )
      assert.deepEqual(
        (await store.deadLetters.list({ limit: 10 })).map(({ id }) => id),
        ['dl_1'],
      )
    })

    check('a service leaves nothing of it, and nothing of others is touched', async ({ store, another }) => {
      for (const service of ['email', 'emails']) {
        const groupRevision = await owning(store, { i1: [0] }, service)
        await store.progress({
          service,
          instance: 'i1',
          fences: [],
          groupRevision,
          mark: 2,
          done: [{ bucket: 0, position: 9 }],
          cursors: [{ put: cursorOf('k', 5) }],
          deadLetters: [{ put: letterOf(`dl_${service}`, 5, { service }) }],
        })
      }
      assert.equal(await store.groups.forget('email', 7), false)
      assert.equal((await store.groups.cursors('email')).length, 1)
      assert.equal(await store.groups.forget('email', 1), true)
      for (const each of [store, await another()]) {
        const state = await each.groups.read('email')
        assert.deepEqual([state.revision, state.leases[0]?.owner, state.leases[0]?.checkpoint], [0, null, 0])
        assert.deepEqual(await each.groups.list(), ['emails'])
        assert.deepEqual(await each.groups.cursors('email'), [])
        assert.deepEqual(await each.groups.done('email', new Set([0])), [])
        assert.deepEqual(
          (await each.deadLetters.list({ limit: 10 })).map(({ id }) => id),
          ['dl_emails'],
        )
        assert.equal((await each.groups.cursors('emails')).length, 1)
        assert.equal((await each.groups.done('emails', new Set([0]))).length, 1)
      }
    })
  })
}

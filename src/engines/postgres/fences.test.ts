import { expect, test } from 'vitest'
import { failure, until } from '../../delivery/fixtures/until.ts'
import { isHodisaError } from '../../errors.ts'
import { cursorOf, letterOf } from '../../store/conformance/group-values.ts'
import { gate } from '../../store/conformance/suite.ts'
import type { GroupUpdate, Progress } from '../../store/groups.ts'
import { describeOnPostgres } from '../../testing/postgres/fixtures/place.ts'
import { changeBy, groupTables } from './fixtures/group-tables.ts'
import { updateGroup } from './group-writer.ts'
import { inTransaction } from './transaction.ts'

const OWN = [{ bucket: 0, epoch: 1 }]
const TAKE_OVER: GroupUpdate = { leases: [{ bucket: 0, owner: 'i1', epoch: 2 }] }

describeOnPostgres('fences on PostgreSQL', () => {
  test.each<[string, Partial<Progress>]>([
    ['an epoch', {}],
    ['the revision of the group', { fences: [], groupRevision: 1, mark: 3 }],
  ])('a takeover waits for progress that is about to commit, fenced by %s', async (_, fence) => {
    const { database, progress, groups, waiting } = await groupTables()
    const change = changeBy('i0', OWN, { done: [{ bucket: 0, position: 7 }], ...fence })
    const written = gate()
    const ended = gate()
    const order: string[] = []
    const effect = inTransaction(database, async (session) => {
      await progress.write(session, change)
      written.open()
      await ended.opened
      order.push('effect')
    })
    await written.opened
    const taken = groups.update('service', 1, TAKE_OVER).then((done) => order.push(`taken over: ${done}`))
    await until(async () => (await waiting()) === 1)
    ended.open()
    await Promise.all([effect, taken])
    expect(order).toEqual(['effect', 'taken over: true'])
    await expect(progress.writeAlone(database, change)).rejects.toMatchObject({ code: 'lease-lost' })
  })

  test.each<[string, Partial<Progress>, Record<string, unknown>]>([
    ['an epoch', {}, { service: 'service', instance: 'i0', bucket: 0, epoch: 1 }],
    ['the revision of the group', { fences: [], groupRevision: 1, mark: 3 }, { service: 'service', group: true }],
  ])('progress waits for a takeover that is about to commit, and is refused by %s', async (_, fence, details) => {
    const { database, progress, groups, waiting } = await groupTables()
    const changed = gate()
    const ended = gate()
    const takeover = inTransaction(database, async (session) => {
      await updateGroup(session, 'service', 1, TAKE_OVER, true)
      changed.open()
      await ended.opened
    })
    await changed.opened
    const late = failure(() =>
      progress.writeAlone(database, changeBy('i0', OWN, { done: [{ bucket: 0, position: 7 }], ...fence })),
    )
    await until(async () => (await waiting()) === 1)
    ended.open()
    await takeover
    expect(await late).toMatchObject({ code: 'lease-lost', details })
    expect(await groups.done('service', new Set([0]))).toEqual([])
  })

  test('a takeover of other buckets does not wait', async () => {
    const { database, progress, groups } = await groupTables()
    await inTransaction(database, async (session) => {
      await progress.write(session, changeBy('i0', OWN, { done: [{ bucket: 0, position: 7 }] }))
      expect(await groups.update('service', 1, { leases: [{ bucket: 4, owner: 'i1', epoch: 2 }] })).toBe(true)
    })
    expect(await groups.done('service', new Set([0]))).toEqual([{ bucket: 0, position: 7 }])
  })

  test('of two that finish the same event at the same time, one is refused', async () => {
    const { database, progress, waiting } = await groupTables()
    const change = changeBy('i0', OWN, { done: [{ bucket: 0, position: 7 }], once: true })
    let second: Promise<unknown> = Promise.resolve()
    await inTransaction(database, async (session) => {
      await progress.write(session, change)
      second = failure(() => progress.writeAlone(database, change))
      await until(async () => (await waiting()) === 1)
    })
    const details = { service: 'service', bucket: 0, position: 7 }
    expect(await second).toMatchObject({
      code: 'lease-lost',
      message: 'service service has finished position 7 already',
      details,
    })
  })

  test('calls that touch the same rows, in whatever order, never wait in a circle', async () => {
    const { database, progress, groups, deadLetters } = await groupTables()
    const numbers = Array.from({ length: 24 }, (_, index) => index)
    const outcomes: unknown[] = []
    const call = async (worker: number, round: number) => {
      const rows = (worker + round) % 2 === 0 ? numbers : numbers.toReversed()
      if (worker < 2) {
        const { revision } = await groups.read('service')
        const leases = rows.map((bucket) => ({
          bucket,
          owner: `i${bucket % 4}`,
          epoch: 1,
          carefulUntil: round * 8 + worker,
        }))
        const change =
          round % 2 === 0 ? { leases, fold: ['i1', 'i0'] } : { forgetProgressAfter: 12, died: ['i3', 'i0'] }
        return groups.update('service', revision, change)
      }
      if (worker === 2) {
        const letter = letterOf('dl_3', 3, { service: 'service', key: 'k3' })
        const cursor = cursorOf('k3', 4, { deadLetter: 'dl_3' })
        return deadLetters.update({ id: 'dl_3', expected: 'parked', letter, cursor })
      }
      const instance = `i${worker % 4}`
      const own = rows.filter((bucket) => `i${bucket % 4}` === instance)
      const removed = (row: number) => (row + round) % 3 === 0
      // One kind at a time: else those of the first would keep apart whoever comes to the others.
      const kinds: Partial<Progress>[] = [
        { done: rows.map((row) => ({ bucket: row, position: 100 * round + row })) },
        {
          started: rows.filter(removed).map((position) => ({ bucket: position, position, alone: true })),
          survived: rows.filter((position) => !removed(position)),
        },
        {
          cursors: rows.map((row) =>
            removed(row) ? { remove: `k${row}` } : { put: cursorOf(`k${row}`, row, { deadLetter: `dl_${row}` }) },
          ),
        },
        {
          deadLetters: rows.map((row) =>
            removed(row) ? { remove: `dl_${row}` } : { put: letterOf(`dl_${row}`, row, { service: 'service' }) },
          ),
        },
      ]
      const fences = own.map((bucket) => ({ bucket, epoch: 1 }))
      const change = changeBy(instance, fences, kinds[Math.floor(round / 4) % kinds.length])
      if (round % 3 > 0) return progress.writeAlone(database, change)
      const groupRevision = (await groups.read('service')).revision
      return progress.writeAlone(database, { ...change, groupRevision, mark: round })
    }
    const workers = Array.from({ length: 8 }, async (_, worker) => {
      for (let round = 0; round < 32; round++) {
        await call(worker, round).catch((error) => {
          if (!isHodisaError(error, 'lease-lost')) outcomes.push(error)
        })
      }
    })
    await Promise.all(workers)
    expect(outcomes).toEqual([])
  })
})

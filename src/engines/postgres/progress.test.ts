import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cursorOf, letterOf } from '../../store/conformance/group-values.ts'
import { describeOnPostgres } from '../../testing/postgres/fixtures/place.ts'
import { changeBy, groupTables } from './fixtures/group-tables.ts'
import { ProgressWriter } from './progress.ts'
import { inTransaction } from './transaction.ts'

const OWN = [{ bucket: 0, epoch: 1 }]

describeOnPostgres('progress on PostgreSQL', () => {
  test('keeps whatever text an error holds', async () => {
    const { database, progress, groups, deadLetters } = await groupTables()
    const text = fc.string({ unit: fc.constantFrom('a', '\0', '\n', '"', '\\', 'é', '😀', '\ud800', '\udfff') })
    await fc.assert(
      fc.asyncProperty(text, text, async (name, message) => {
        const cursor = cursorOf('k', 5, { error: { name, message } })
        const letter = letterOf('dl_1', 5, { service: 'service', error: { name, message, stack: message } })
        const change = { cursors: [{ put: cursor }], deadLetters: [{ put: letter }] }
        await progress.writeAlone(database, changeBy('i0', OWN, change))
        expect(await groups.cursors('service')).toEqual([cursor])
        expect(await deadLetters.get('dl_1')).toEqual(letter)
        expect(await deadLetters.update({ id: 'dl_1', expected: 'parked', letter, cursor })).toBe(true)
        expect(await deadLetters.get('dl_1')).toEqual(letter)
      }),
      { numRuns: 50 },
    )
  })

  test('keeps the reason of a pause that the server could not, but for what it cannot', async () => {
    const { groups } = await groupTables()
    expect(await groups.update('service', 1, { paused: 'broken: \0' })).toBe(true)
    expect((await groups.read('service')).paused).toBe('broken: \ufffd')
  })

  test('of what is finished below the mark goes with one of the next marks', async () => {
    const { database, progress } = await groupTables()
    const standing = async () => {
      const rows = await database.query<[number]>('select position from hodisa.done order by position')
      return rows.map(([position]) => position)
    }
    const finish = (...positions: number[]) =>
      progress.writeAlone(
        database,
        changeBy('i0', OWN, { done: positions.map((position) => ({ bucket: 0, position })) }),
      )
    const mark = (to: number) => progress.writeAlone(database, changeBy('i0', [], { groupRevision: 1, mark: to }))
    await finish(3, 4, 9, 12)
    await mark(5)
    expect(await standing()).toEqual([9, 12])
    await finish(2)
    await mark(10)
    expect(await standing()).toEqual([12])
    // Written before the mark, and committed after it.
    let passed: Promise<unknown> = Promise.resolve()
    await inTransaction(database, async (session) => {
      await progress.write(session, changeBy('i0', OWN, { done: [{ bucket: 0, position: 1 }] }))
      passed = mark(11)
      await passed
    })
    expect(await standing()).toEqual([1, 12])
    await mark(13)
    expect(await standing()).toEqual([])
  })

  test('is found by the first mark of a process that knows nothing of what stands', async () => {
    const { database, progress } = await groupTables()
    const change = changeBy('i0', OWN, { done: [{ bucket: 0, position: 3 }] })
    await progress.writeAlone(database, changeBy('i0', [], { groupRevision: 1, mark: 5 }))
    await progress.writeAlone(database, change)
    await new ProgressWriter(true).writeAlone(database, changeBy('i0', [], { groupRevision: 1, mark: 6 }))
    expect(await database.query('select position from hodisa.done')).toEqual([])
  })
})

describeOnPostgres('a commit that is lost', () => {
  test.each(['commit', 'answer'] as const)('of a group takes effect once: the %s', async (where) => {
    const { groups, proxy } = await groupTables()
    proxy.cutNextCommit(where)
    expect(await groups.update('service', 1, { paused: 'by hand' })).toBe(true)
    expect(proxy.cuts).toBe(1)
    const { revision, paused } = await groups.read('service')
    expect([revision, paused]).toEqual([2, 'by hand'])
  })

  test.each(['commit', 'answer'] as const)('of what may be done once is no double: the %s', async (where) => {
    const { database, progress, groups, proxy } = await groupTables()
    proxy.cutNextCommit(where)
    const change = changeBy('i0', OWN, { done: [{ bucket: 0, position: 7 }], once: true })
    await progress.writeAlone(database, change)
    expect(proxy.cuts).toBe(1)
    expect(await groups.done('service', new Set([0]))).toEqual([{ bucket: 0, position: 7 }])
    await expect(progress.writeAlone(database, change)).rejects.toMatchObject({ code: 'lease-lost' })
  })
})

import { TypeID } from 'typeid-js'
import { expect, test } from 'vitest'
import { newId } from './id.ts'

test('ids are TypeIDs over UUIDv7 that carry the time', () => {
  const before = Date.now()
  const uuids = Array.from({ length: 5_000 }, () => TypeID.fromString(newId('evt'), 'evt').toUUID())
  const after = Date.now()
  for (const uuid of uuids) {
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    const time = Number.parseInt(uuid.replace('-', '').slice(0, 12), 16)
    expect(time).toBeGreaterThanOrEqual(before)
    expect(time).toBeLessThanOrEqual(after + 1)
  }
})

test('ids of one process rise', () => {
  const ids = Array.from({ length: 100_000 }, () => newId('evt'))
  expect(ids).toEqual([...ids].sort())
  expect(new Set(ids).size).toBe(ids.length)
})

import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { placeWarnings, warningsOf } from './file-system.ts'

test.each([
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
  [0xff534d42 | 0, 'CIFS'], // as a signed number, which some systems give
  [0x65735546, 'FUSE'],
])('a file system of the network is warned of: %s', (type, name) => {
  expect(warningsOf('/data/shop.db', type)).toMatchObject([
    { code: 'network-file-system', message: expect.stringContaining(`/data/shop.db is on ${name}`) },
  ])
})

test('a file system in memory is warned of, a disk is not', () => {
  expect(warningsOf('/dev/shm/shop.db', 0x01021994)).toMatchObject([{ code: 'memory-file-system' }])
  expect(warningsOf('/data/shop.db', 0xef53)).toEqual([])
})

test('nothing is said of a place that the system does not tell about', async () => {
  expect(await placeWarnings(join(tmpdir(), 'no', 'such', 'folder', 'shop.db'))).toEqual([])
})

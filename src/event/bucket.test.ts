import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { BUCKETS, bucketOf } from './bucket.ts'

/** FNV-1a as its authors write it, with whole numbers of any size. */
function reference(key: string): number {
  let hash = 0x811c9dc5n
  for (const byte of Buffer.from(key, 'utf8')) hash = ((hash ^ BigInt(byte)) * 0x01000193n) & 0xffffffffn
  return Number((hash ^ (hash >> 8n) ^ (hash >> 16n) ^ (hash >> 24n)) & 0xffn)
}

describe('the bucket of a key', () => {
  // Recorded with every event: a change of one of these loses the order of every log there is.
  const vectors: readonly (readonly [string, number])[] = [
    ['', 197],
    ['a', 237],
    ['order-ord_456', 151],
    ['evt_01h455vb4pex5vsknk084sn02q', 165],
    ['user-7', 152],
    ['é', 170],
    ['order-👍', 158],
    ['漢字', 99],
  ]
  for (const [key, bucket] of vectors) {
    test(`of ${JSON.stringify(key)} is ${bucket} for ever`, () => assert.equal(bucketOf(key), bucket))
  }

  test('is FNV-1a over UTF-8, folded, for any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (key) => bucketOf(key) === reference(key)))
  })

  for (const [what, keyAt] of [
    ['counted streams', (index: number) => `order-${index}`],
    ['padded streams', (index: number) => `account-${String(index).padStart(12, '0')}`],
    ['names beyond ASCII', (index: number) => `buyurtma-ö${index}`],
  ] as const) {
    test(`spreads ${what} evenly`, () => {
      const keys = 100_000
      const counts = new Array<number>(BUCKETS).fill(0)
      for (let index = 0; index < keys; index++) {
        const bucket = bucketOf(keyAt(index))
        counts[bucket] = (counts[bucket] ?? 0) + 1
      }
      const mean = keys / BUCKETS
      const chiSquare = counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0)
      // 255 degrees of freedom: 330 is exceeded by chance once in a thousand.
      assert.ok(chiSquare < 330, `chi-square ${chiSquare}`)
    })
  }
})

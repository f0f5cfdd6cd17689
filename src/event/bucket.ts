/** Into how many buckets the keys of a log are hashed, for ever. */
export const BUCKETS = 256

const utf8 = new TextEncoder()

/**
 * The bucket of a key: FNV-1a (32 bits) over its UTF-8 bytes, folded to 8 bits. Recorded with each event, so it may never
 * change; another hash would be another column.
 */
export function bucketOf(key: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < key.length; index++) {
    const code = key.charCodeAt(index)
    if (code > 0x7f) return fold(utf8.encode(key).reduce(step, 0x811c9dc5))
    hash = step(hash, code)
  }
  return fold(hash)
}

function step(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193)
}

function fold(hash: number): number {
  return (hash ^ (hash >>> 8) ^ (hash >>> 16) ^ (hash >>> 24)) & 0xff
}

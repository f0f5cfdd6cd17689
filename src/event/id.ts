import { createHash } from 'node:crypto'
import { TypeID, typeidUnboxed } from 'typeid-js'

/** Makes ids that no one else makes, e.g. `evt_01h455vb4pex5vsknk084sn02q` for `evt`. */
export type IdMaker = (prefix: string) => string

/** TypeIDs over UUIDv7, monotonic within the process. */
export const newId: IdMaker = (prefix) => typeidUnboxed(prefix)

/** The same id for the same parts, always: what a handler publishes, published again, is the same event. */
export function derivedId(prefix: string, ...parts: readonly (string | number)[]): string {
  const bytes = createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80 // UUIDv8, variant 10
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return TypeID.fromUUIDBytes(prefix, new Uint8Array(bytes)).toString()
}

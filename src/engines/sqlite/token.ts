import { HodisaError } from '../../errors.ts'

/** Where an event of a receipt stands. */
export interface Place {
  readonly bucket: number
  readonly type: string
  readonly position: number
}

/** What a token says. */
export interface Decoded {
  readonly places: readonly Place[]
  /** Id of the event at the last place, where the write may have been rolled back since: only an outbox gives it. */
  readonly id?: string
}

/** The token of a write: of each type in each bucket only the last place counts. */
export function encodeToken(places: readonly Place[], id?: string): string {
  const parts: unknown[] = []
  if (places.length === 1) {
    for (const { bucket, type, position } of places) parts.push([bucket, type, position])
  } else {
    const last = new Map<string, Place>()
    for (const place of places) {
      const name = `${place.bucket} ${place.type}`
      const before = last.get(name)
      if (before === undefined || before.position < place.position) last.set(name, place)
    }
    for (const { bucket, type, position } of last.values()) parts.push([bucket, type, position])
  }
  return Buffer.from(JSON.stringify(id === undefined ? [parts] : [parts, id])).toString('base64url')
}

/** @throws {HodisaError} `invalid-option` for what is no token of this engine. */
export function decodeToken(token: string): Decoded {
  const parsed = parse(token)
  if (!Array.isArray(parsed) || !Array.isArray(parsed[0])) throw invalid()
  const places = parsed[0].map((part: unknown): Place => {
    if (!Array.isArray(part)) throw invalid()
    const [bucket, type, position]: unknown[] = part
    if (!Number.isSafeInteger(bucket) || typeof type !== 'string' || !Number.isSafeInteger(position)) throw invalid()
    return { bucket: Number(bucket), type, position: Number(position) }
  })
  const id: unknown = parsed[1]
  if (id !== undefined && typeof id !== 'string') throw invalid()
  return id === undefined ? { places } : { places, id }
}

function parse(token: unknown): unknown {
  if (typeof token !== 'string') throw invalid()
  try {
    return JSON.parse(Buffer.from(token, 'base64url').toString())
  } catch {
    throw invalid()
  }
}

function invalid(): HodisaError {
  return new HodisaError('invalid-option', 'this is not the token of a receipt of this store', { option: 'token' })
}

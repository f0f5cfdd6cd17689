import { HodisaError } from '../../errors.ts'

/** Events of a batch, in a row: both ends included. */
export type BatchRange = readonly [batch: number, from: number, to: number]

/** The token of a write: where its events stand before they have a position. */
export function encodeToken(places: readonly { readonly batch: number; readonly ordinal: number }[]): string {
  const ranges: [number, number, number][] = []
  for (const { batch, ordinal } of places) {
    const last = ranges.at(-1)
    if (last !== undefined && last[0] === batch && last[2] + 1 === ordinal) last[2] = ordinal
    else ranges.push([batch, ordinal, ordinal])
  }
  return Buffer.from(JSON.stringify(['pg', ...ranges])).toString('base64url')
}

/** @throws {HodisaError} `invalid-option` for what is no token of this engine. */
export function decodeToken(token: string): readonly BatchRange[] {
  const [kind, ...ranges] = parse(token)
  if (kind !== 'pg') throw invalid()
  return ranges.map((range) => {
    if (!Array.isArray(range) || range.length !== 3) throw invalid()
    const [batch, from, to]: unknown[] = range
    if (!isCount(batch) || !isCount(from) || !isCount(to)) throw invalid()
    return [batch, from, to]
  })
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function parse(token: unknown): unknown[] {
  if (typeof token !== 'string') throw invalid()
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, 'base64url').toString())
    if (Array.isArray(parsed)) return parsed
  } catch {
    throw invalid()
  }
  throw invalid()
}

function invalid(): HodisaError {
  return new HodisaError('invalid-option', 'this is not the token of a receipt of this store', { option: 'token' })
}

import { HodisaError } from '../../errors.ts'

/** What a token says. */
export interface Decoded {
  /** Positions, rising, both ends included. */
  readonly ranges: readonly (readonly [from: number, to: number])[]
  /** Id of the newest event, where the write may have been rolled back since: only an outbox gives it. */
  readonly newest?: { readonly id: string; readonly position: number }
}

/** The token of a write. Ranges, because a batch stands in a row: its token stays small. */
export function encodeToken(positions: readonly number[], newest?: Decoded['newest']): string {
  return Buffer.from(
    JSON.stringify(newest === undefined ? [rangesOf(positions)] : [rangesOf(positions), newest]),
  ).toString('base64url')
}

function rangesOf(positions: readonly number[]): [number, number][] {
  const [only] = positions
  if (only !== undefined && positions.length === 1) return [[only, only]]
  const ranges: [number, number][] = []
  for (const position of [...new Set(positions)].sort((left, right) => left - right)) {
    const last = ranges.at(-1)
    if (last !== undefined && last[1] + 1 === position) last[1] = position
    else ranges.push([position, position])
  }
  return ranges
}

/** @throws {HodisaError} `invalid-option` for what is no token of this engine. */
export function decodeToken(token: string): Decoded {
  const parsed = parse(token)
  if (!Array.isArray(parsed) || !Array.isArray(parsed[0])) throw invalid()
  const ranges = parsed[0].map((range: unknown): readonly [number, number] => {
    if (!Array.isArray(range)) throw invalid()
    const [from, to]: unknown[] = range
    if (!isPosition(from) || !isPosition(to)) throw invalid()
    return [from, to]
  })
  const newest: unknown = parsed[1]
  if (newest === undefined) return { ranges }
  if (typeof newest !== 'object' || newest === null || !('id' in newest) || !('position' in newest)) throw invalid()
  const { id, position } = newest
  if (typeof id !== 'string' || !isPosition(position)) throw invalid()
  return { ranges, newest: { id, position } }
}

function isPosition(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
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

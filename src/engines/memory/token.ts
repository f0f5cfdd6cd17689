import { HodisaError } from '../../errors.ts'

const TOKEN = /^m1(\.[0-9a-z]+-[0-9a-z]+)*$/

/** Positions as ranges, so that the token of a large batch stays small. */
export function tokenOf(positions: readonly number[]): string {
  const ranges: { from: number; to: number }[] = []
  for (const position of [...new Set(positions)].sort((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last !== undefined && last.to + 1 === position) last.to = position
    else ranges.push({ from: position, to: position })
  }
  return ['m1', ...ranges.map(({ from, to }) => `${from.toString(36)}-${to.toString(36)}`)].join('.')
}

/** @throws {HodisaError} `invalid-option` for anything but a token of this engine. */
export function rangesOf(token: string): { from: number; to: number }[] {
  if (!TOKEN.test(token)) {
    throw new HodisaError('invalid-option', 'a token must be one that a receipt of this store holds', { token })
  }
  return token
    .split('.')
    .slice(1)
    .map((range) => {
      const [from = Number.NaN, to = Number.NaN] = range.split('-').map((part) => Number.parseInt(part, 36))
      return { from, to }
    })
}

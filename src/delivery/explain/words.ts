const UNITS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
] as const

/** `30 s`, `1 h`, `250 ms`. */
export function time(ms: number): string {
  const [size, unit] = UNITS.find(([size]) => ms >= size && ms % (size / 10) === 0) ?? [1, 'ms']
  return `${ms / size} ${unit}`
}

export function count(number: number, one: string): string {
  return `${number.toLocaleString('en')} ${one}${number === 1 ? '' : 's'}`
}

/** The first few, and how many more there are. */
export function some(names: Iterable<string>, most = 5): string {
  const all = [...names]
  const shown = all.slice(0, most).join(', ')
  return all.length > most ? `${shown} and ${all.length - most} more` : shown
}

export interface Finding {
  readonly lost: number
  readonly duplicates: number
}

/** Each thing once: what is missing is lost, what is there again, or for no reason, is a duplicate. */
export function compare(wanted: readonly string[], seen: readonly string[]): Finding {
  const missing = new Set(wanted)
  let duplicates = 0
  for (const each of seen) {
    if (!missing.delete(each)) duplicates++
  }
  return { lost: missing.size, duplicates }
}

/** Each sum as it should be: one that is too small lost something, one that is too large has something twice. */
export function compareSums(wanted: ReadonlyMap<string, number>, seen: ReadonlyMap<string, number>): Finding {
  let lost = 0
  let duplicates = 0
  for (const name of new Set([...wanted.keys(), ...seen.keys()])) {
    const difference = (seen.get(name) ?? 0) - (wanted.get(name) ?? 0)
    if (difference < 0) lost++
    if (difference > 0) duplicates++
  }
  return { lost, duplicates }
}

/** Adds up amounts by name. */
export function sums(amounts: readonly (readonly [name: string, amount: number])[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  for (const [name, amount] of amounts) found.set(name, (found.get(name) ?? 0) + amount)
  return found
}

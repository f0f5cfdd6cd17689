/*
 * Compares what two versions of a JSON Schema allow. The question is always the same: does the new one allow everything that the
 * old one did? Events that were recorded under the old one are read as the new one says, unchecked.
 */
import {
  alternatives,
  asObject,
  asSchema,
  BOUNDS,
  brief,
  CHECKS,
  canonical,
  isAnything,
  isClosed,
  type JsonSchema,
  type Keywords,
  list,
  membersOf,
  refOf,
  resolved,
  restOf,
  schemasOf,
  shown,
  strangeKeywords,
  textsOf,
  typesOf,
  valuesOf,
} from './schema-keywords.ts'

export type { JsonSchema } from './schema-keywords.ts'

/** One difference. */
export interface SchemaChange {
  /** Where, e.g. `data.items[].price`. */
  readonly path: string
  readonly change: string
  /** Whether something that the old schema allowed is not what the new one says. */
  readonly breaking: boolean
}

/** The differences from `before` to `after`, by path. None: everything that was allowed is, and nothing else. */
export function schemaChanges(before: JsonSchema, after: JsonSchema, path = 'data'): SchemaChange[] {
  return new Comparison(before, after).changes(before, after, path)
}

export function isBreaking(changes: readonly SchemaChange[]): boolean {
  return changes.some(({ breaking }) => breaking)
}

class Comparison {
  readonly #roots: readonly [JsonSchema, JsonSchema]
  /** Pairs of references that are being compared: a schema may hold itself. */
  readonly #open = new Set<string>()

  constructor(before: JsonSchema, after: JsonSchema) {
    this.#roots = [before, after]
  }

  changes(before: JsonSchema, after: JsonSchema, path: string): SchemaChange[] {
    const refs = [refOf(before), refOf(after)]
    const pair = refs.includes(undefined) ? undefined : JSON.stringify(refs)
    if (pair !== undefined && this.#open.has(pair)) return []
    if (pair !== undefined) this.#open.add(pair)
    try {
      return this.#changes(resolved(before, this.#roots[0]), resolved(after, this.#roots[1]), path)
    } finally {
      if (pair !== undefined) this.#open.delete(pair)
    }
  }

  #changes(before: JsonSchema, after: JsonSchema, path: string): SchemaChange[] {
    if (canonical(before) === canonical(after)) return this.#sameText(before, after, path)
    if (isAnything(after)) return [change(path, 'may be anything now', false)]
    if (isAnything(before)) return [change(path, 'could be anything, and cannot any more', true)]
    if (typeof before === 'boolean' || typeof after === 'boolean')
      return [change(path, 'may never be there on one of the sides', after === false)]
    const strange = [...strangeKeywords(before, after)]
    if (strange.length > 0) return [change(path, `cannot be compared for ${strange.join(', ')}`, true)]
    const branches = this.#branches(before, after, path)
    if (branches !== undefined) return branches
    return [...this.#types(before, after, path), ...this.#values(before, after, path)].concat(
      this.#bounds(before, after, path),
      this.#members(before, after, path),
      this.#elements(before, after, path),
    )
  }

  /** References of the same name may stand for other things. */
  #sameText(before: JsonSchema, after: JsonSchema, path: string): SchemaChange[] {
    if (!canonical(before).includes('"$ref"')) return []
    const [old, now] = [asObject(before), asObject(after)]
    return [
      ...this.#members(old, now, path),
      ...this.#elements(old, now, path),
      ...(this.#branches(old, now, path) ?? []),
    ]
  }

  /** Each alternative that there was must still be allowed by one. */
  #branches(before: Keywords, after: Keywords, path: string): SchemaChange[] | undefined {
    const [old, now] = [alternatives(before), alternatives(after)]
    if (old.length === 1 && now.length === 1 && old[0] === before && now[0] === after) return undefined
    const lost = old.flatMap((one) => {
      const attempts = now.map((other) => this.changes(one, other, path))
      if (attempts.some((found) => !isBreaking(found))) return []
      // Told of the alternative that is nearest.
      const [nearest = []] = attempts.toSorted((a, b) => a.length - b.length)
      if (old.length === 1 || now.length === old.length) return nearest.filter(({ breaking }) => breaking)
      return [change(path, `may not be ${brief(one)} any more`, true)]
    })
    const added = now.filter((one) => old.every((other) => isBreaking(this.changes(one, other, path))))
    return [...lost, ...(lost.length === 0 ? added.map((one) => change(path, `may also be ${brief(one)}`, false)) : [])]
  }

  #types(before: Keywords, after: Keywords, path: string): SchemaChange[] {
    const [old, now] = [typesOf(before), typesOf(after)]
    const lost = old.filter((type) => !now.includes(type) && !(type === 'integer' && now.includes('number')))
    const added = now.filter((type) => !old.includes(type) && !(type === 'integer' && old.includes('number')))
    const [was, is] = [old.join(' or '), now.join(' or ')]
    if (lost.length > 0) return [change(path, `was ${was}, is ${is}`, true)]
    return added.length > 0 ? [change(path, `was ${was}, may be ${is}`, false)] : []
  }

  #values(before: Keywords, after: Keywords, path: string): SchemaChange[] {
    const [old, now] = [valuesOf(before), valuesOf(after)]
    if (now === undefined) return old === undefined ? [] : [change(path, 'may have any value now', false)]
    if (old === undefined) return [change(path, `must be one of ${list(now)} now`, true)]
    const lost = old.filter((value) => !now.includes(value))
    const added = now.filter((value) => !old.includes(value))
    return [
      ...(lost.length > 0 ? [change(path, `may not be ${list(lost)} any more`, true)] : []),
      ...(added.length > 0 ? [change(path, `may also be ${list(added)}`, false)] : []),
    ]
  }

  #bounds(before: Keywords, after: Keywords, path: string): SchemaChange[] {
    const found = Object.entries(BOUNDS).flatMap(([keyword, side]) => {
      const [old, now] = [before[keyword], after[keyword]]
      if (old === now) return []
      const tighter =
        now !== undefined &&
        (old === undefined || (side === 'least' ? Number(now) > Number(old) : Number(now) < Number(old)))
      return [change(path, `${keyword} was ${shown(old)}, is ${shown(now)}`, tighter)]
    })
    const checks = CHECKS.filter((keyword) => canonical(before[keyword]) !== canonical(after[keyword])).map((keyword) =>
      change(
        path,
        `${keyword} was ${shown(before[keyword])}, is ${shown(after[keyword])}`,
        after[keyword] !== undefined,
      ),
    )
    return [...found, ...checks]
  }

  #members(before: Keywords, after: Keywords, path: string): SchemaChange[] {
    const [old, now] = [membersOf(before), membersOf(after)]
    const [needed, needs] = [textsOf(before.required), textsOf(after.required)]
    const names = [...new Set([...Object.keys(old), ...Object.keys(now)])].sort()
    const found = names.flatMap((name): SchemaChange[] => {
      const at = /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name) ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`
      const [was, is] = [old[name], now[name]]
      if (was === undefined && is !== undefined) {
        const rest = restOf(before)
        if (!isClosed(before.additionalProperties) && rest !== undefined) return this.changes(rest, is, at)
        return needs.includes(name)
          ? [change(at, 'was added, and is required', true)]
          : [change(at, 'was added', false)]
      }
      if (is === undefined || was === undefined) {
        const rest = restOf(after)
        return rest !== undefined && was !== undefined ? this.changes(was, rest, at) : [change(at, 'was removed', true)]
      }
      const inside = this.changes(was, is, at)
      if (needed.includes(name) === needs.includes(name)) return inside
      const must = needs.includes(name)
      return [change(at, must ? 'was optional, is required' : 'was required, is optional', must), ...inside]
    })
    return [...found, ...this.#rest(before, after, path)]
  }

  /** Libraries differ in whether they forbid what is not named, which says nothing about what was recorded. */
  #rest(before: Keywords, after: Keywords, path: string): SchemaChange[] {
    const [old, now] = [restOf(before), restOf(after)]
    if (old === undefined || now === undefined) {
      if (old === undefined) return []
      return [change(`${path}[*]`, 'any further member was allowed, and is not any more', true)]
    }
    return this.changes(old, now, `${path}[*]`)
  }

  #elements(before: Keywords, after: Keywords, path: string): SchemaChange[] {
    const [places, placesNow] = [schemasOf(before.prefixItems), schemasOf(after.prefixItems)]
    const [rest, restNow] = [asSchema(before.items), asSchema(after.items)]
    const length = Math.max(places.length, placesNow.length)
    const inPlaces = Array.from({ length }, (_, index) => {
      const [was, is] = [places[index] ?? rest, placesNow[index] ?? restNow]
      const at = `${path}[${index}]`
      if (was === undefined || is === undefined)
        return [change(at, was === undefined ? 'was added' : 'was removed', true)]
      return this.changes(was, is, at)
    }).flat()
    if (rest === undefined || restNow === undefined) {
      if (rest === restNow || !typesOf(before).includes('array')) return inPlaces
      return [
        ...inPlaces,
        change(
          `${path}[]`,
          restNow === undefined ? 'may be anything now' : 'could be anything, and cannot any more',
          restNow !== undefined,
        ),
      ]
    }
    return [...inPlaces, ...this.changes(rest, restNow, `${path}[]`)]
  }
}

function change(path: string, text: string, breaking: boolean): SchemaChange {
  return { path, change: text, breaking }
}

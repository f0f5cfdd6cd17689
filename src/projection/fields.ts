import { sortKey } from '../store/sort-key.ts'

/** What documents can be found and ordered by. */
export type Scalar = string | number | boolean | null

type Deeper = readonly [never, 0, 1, 2, 3]

/** Paths of the fields of a document that hold simple values: `total`, `address.city`; at most four deep. */
export type FieldPath<Doc, Depth extends number = 4> = string extends keyof Doc
  ? string
  : [Depth] extends [never]
    ? never
    : {
        [Key in keyof Doc & string]-?: PathsOf<Key, NonNullable<Doc[Key]> | Extract<Doc[Key], null>, Depth>
      }[keyof Doc & string]

type PathsOf<Key extends string, Value, Depth extends number> = Value extends Scalar
  ? Key
  : Value extends readonly unknown[]
    ? never
    : Value extends object
      ? `${Key}.${FieldPath<Value, Deeper[Depth]>}`
      : never

/** What stands at a path. */
export type ValueAt<Doc, Path extends string> = Path extends keyof Doc
  ? Extract<Doc[Path], Scalar>
  : Path extends `${infer Head}.${infer Rest}`
    ? Head extends keyof Doc
      ? ValueAt<NonNullable<Doc[Head]>, Rest>
      : Scalar
    : Scalar

/** The simple value at a path; undefined where there is none, or something that is not simple. */
export function valueAt(document: object, path: string): Scalar | undefined {
  let value: unknown = document
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return isScalar(value) ? value : undefined
}

/** The sort key of the simple value at a path; undefined where there is none. */
export function keyAt(document: object, path: string): string | undefined {
  const value = valueAt(document, path)
  return value === undefined ? undefined : sortKey(value)
}

/** So much of a key stands in an index: engines have a limit, which the id must fit into beside it. */
const LONGEST_KEY = 300

/** The part of a sort key that stands in an index. */
export function indexKey(key: string): string {
  if (key.length <= LONGEST_KEY) return key
  // With all of a pair that lies across the end, so that the parts stand in the order of the whole keys.
  return key.slice(0, /[\uD800-\uDBFF]/.test(key.charAt(LONGEST_KEY - 1)) ? LONGEST_KEY + 1 : LONGEST_KEY)
}

/** Whether no longer key has the same part in an index. */
export function isWhole(key: string): boolean {
  return key.length < LONGEST_KEY
}

export function isScalar(value: unknown): value is Scalar {
  return value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)
}

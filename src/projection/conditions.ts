import { HodisaError } from '../errors.ts'
import { assertObject, invalidOption } from '../event/input.ts'
import type { KeyCondition } from '../store/documents.ts'
import { compareKeys, sortKey } from '../store/sort-key.ts'
import type { Document } from './definition.ts'
import { type FieldPath, isScalar, keyAt, type Scalar, type ValueAt } from './fields.ts'

/** What must hold of a field: its value, or some of these. A document that has no simple value there does not match. */
export type Condition<Value> =
  | Value
  | {
      readonly gt?: Value
      readonly gte?: Value
      readonly lt?: Value
      readonly lte?: Value
      readonly in?: readonly Value[]
      readonly prefix?: Value extends string ? string : never
    }

/** Conditions by field, all of which must hold. */
export type Where<Doc> = { readonly [Path in FieldPath<Doc>]?: Condition<ValueAt<Doc, Path>> }

const RANGES = ['gt', 'gte', 'lt', 'lte'] as const

/** Conditions on sort keys, so that what an index narrows and what is filtered above it mean the same. */
export function conditionsOf(where: Readonly<Record<string, unknown>> = {}): readonly KeyCondition[] {
  assertObject('where', where)
  return Object.entries(where).flatMap(([field, condition]) => {
    // Left out it would find what the caller may not see: every document, where the id of a user was looked for.
    if (condition === undefined)
      throw invalidOption(`where.${field}`, 'must be given, or the field left out', undefined)
    return isScalar(condition)
      ? [{ index: field, is: 'eq' as const, key: sortKey(condition) }]
      : several(field, condition)
  })
}

function several(index: string, condition: unknown): KeyCondition[] {
  assertObject(`where.${index}`, condition)
  const given = Object.entries(condition as Record<string, unknown>)
  if (given.length === 0) throw invalidOption(`where.${index}`, 'must say what must hold', condition)
  return given.flatMap(([is, value]): KeyCondition[] => {
    if (is === 'in') {
      if (!Array.isArray(value)) throw invalidOption(`where.${index}.in`, 'must be an array', value)
      return [{ index, is, keys: value.map((one) => keyOf(`where.${index}.in`, one)) }]
    }
    if (is === 'prefix') {
      if (typeof value !== 'string') throw invalidOption(`where.${index}.prefix`, 'must be a text', value)
      return [{ index, is, key: sortKey(value) }]
    }
    const range = RANGES.find((name) => name === is)
    if (range === undefined) {
      throw invalidOption(`where.${index}`, `takes ${[...RANGES, 'in', 'prefix'].join(', ')}, and no ${is}`, value)
    }
    const key = keyOf(`where.${index}.${is}`, value)
    // Numbers are compared with numbers, texts with texts: nothing is above 10 that is no number.
    return [
      { index, is: range, key },
      { index, is: 'prefix', key: key.slice(0, 1) },
    ]
  })
}

function keyOf(option: string, value: unknown): string {
  if (isScalar(value)) return sortKey(value as Scalar)
  throw invalidOption(option, 'must be a text, a number, true, false or null', value)
}

/** Whether a document meets all conditions. */
export function meets(document: Document, conditions: readonly KeyCondition[]): boolean {
  return conditions.every((condition) => {
    const key = keyAt(document, condition.index)
    return key !== undefined && holds(key, condition)
  })
}

function holds(key: string, condition: KeyCondition): boolean {
  switch (condition.is) {
    case 'in':
      return condition.keys.includes(key)
    case 'prefix':
      return key.startsWith(condition.key)
    case 'eq':
      return key === condition.key
    case 'gt':
      return compareKeys(key, condition.key) > 0
    case 'gte':
      return compareKeys(key, condition.key) >= 0
    case 'lt':
      return compareKeys(key, condition.key) < 0
    case 'lte':
      return compareKeys(key, condition.key) <= 0
  }
}

/** @throws {HodisaError} `index-missing`, naming what to declare. */
export function indexMissing(view: string, fields: readonly string[], call: string): HodisaError {
  const named = fields.map((field) => JSON.stringify(field)).join(' or ')
  return new HodisaError(
    'index-missing',
    `view ${view}: ${call} would read every document: declare ${named} in \`indexes\`, or narrow by a field that is`,
    { view, fields },
  )
}

import { BUCKETS } from '../../event/bucket.ts'
import type { LogFilter } from '../../store/port.ts'

/** Conditions for SQL that let through at least what matches. */
export interface RangeFilter {
  readonly sql: string
  readonly values: readonly unknown[]
}

/** More patterns than these are cheaper to match outside of SQL. */
const MOST_PATTERNS = 32

/** GLOB takes `*` for anything, dots too: the types have to be matched again. */
export function rangeFilterOf({ types, buckets }: LogFilter): RangeFilter {
  let sql = ''
  const values: unknown[] = []
  if (types !== undefined && types.length <= MOST_PATTERNS && !types.includes('**')) {
    const tests = types.map((type) => (type.includes('*') ? 'type glob ?' : 'type = ?'))
    sql += ` and (${tests.length === 0 ? 'false' : tests.join(' or ')})`
    values.push(...types.map((type) => type.replace('**', '*')))
  }
  if (buckets !== undefined && buckets.size < BUCKETS) {
    const mask = Buffer.alloc(BUCKETS)
    for (const bucket of buckets) mask[bucket] = 1
    sql += ` and substr(?, bucket + 1, 1) = x'01'`
    values.push(mask)
  }
  return { sql, values }
}

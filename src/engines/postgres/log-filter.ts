import { BUCKETS } from '../../event/bucket.ts'
import type { LogFilter } from '../../store/port.ts'

/** The values of a statement, in the order of their parameters. */
export class Values {
  readonly list: unknown[] = []

  /** The parameter that stands for a value. */
  add(value: unknown, type: string): string {
    this.list.push(value)
    return `$${this.list.length}::${type}`
  }
}

/** Longer expressions are cheaper to match outside of SQL. */
const MOST_PATTERNS = 32

/** Whether nothing at all can match. */
export function matchesNothing({ types, buckets, streams, ...named }: LogFilter): boolean {
  const { key = '', correlationId = '', causationId = '' } = named
  const known = streams === undefined || streams.some(isStorable)
  return types?.length === 0 || buckets?.size === 0 || !known || ![key, correlationId, causationId].every(isStorable)
}

/** The server refuses to be asked for text that it cannot hold. */
export function isStorable(text: string): boolean {
  return !text.includes('\0')
}

/** Whether {@link conditionsOf} lets through types that do not match. */
export function isLoose({ types }: LogFilter): boolean {
  return types !== undefined && types.length > MOST_PATTERNS && types.some(isOpen)
}

/** What must hold for columns of `hodisa.events`. Patterns must be valid. */
export function conditionsOf(filter: LogFilter, values: Values): readonly string[] {
  const { types, buckets, correlationId, causationId, streams, key } = filter
  const conditions: string[] = []
  if (types !== undefined && !isLoose(filter)) conditions.push(typeCondition(types, values))
  if (buckets !== undefined && buckets.size < BUCKETS) {
    // A mask, because an array is searched from its beginning for each event.
    const mask = Buffer.alloc(BUCKETS)
    for (const bucket of buckets) mask[bucket] = 1
    conditions.push(`substring(${values.add(mask, 'bytea')} from bucket + 1 for 1) = '\\x01'::bytea`)
  }
  if (correlationId !== undefined) {
    const value = values.add(correlationId, 'text')
    conditions.push(`(correlation_id = ${value} or correlation_id is null and id = ${value})`)
  }
  if (causationId !== undefined) conditions.push(`causation_id = ${values.add(causationId, 'text')}`)
  if (streams !== undefined) conditions.push(`stream = any (${values.add(streams.filter(isStorable), 'text[]')})`)
  if (key !== undefined) conditions.push(`coalesce(stream, key, id) = ${values.add(key, 'text')}`)
  return conditions
}

function typeCondition(types: readonly string[], values: Values): string {
  if (!types.some(isOpen)) return `type = any (${values.add([...types], 'text[]')})`
  return `type ~ ${values.add(`^(?:${types.map(expressionOf).join('|')})$`, 'text')}`
}

function isOpen(pattern: string): boolean {
  return pattern.includes('*')
}

/** As {@link parsePattern} says it: what begins with `*` does not match the framework's own events. */
function expressionOf(pattern: string): string {
  const expression = pattern
    .split('.')
    .map((segment) => (segment === '**' ? '.*' : segment === '*' ? '[^.]*' : segment))
    .join('\\.')
  return pattern.startsWith('*') ? `(?!hodisa(?:\\.|$))${expression}` : expression
}

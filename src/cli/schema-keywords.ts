/* What the words of a JSON Schema are, as far as they are compared. */

export type JsonSchema = boolean | { readonly [keyword: string]: unknown }

/** Keywords that say nothing about which values are allowed. */
const NOTES = new Set([
  ...['$schema', '$id', '$anchor', '$comment', '$defs', 'definitions', 'title', 'description', 'default', 'examples'],
  ...['deprecated', 'readOnly', 'writeOnly'],
])
/** Bounds, and whether a higher one allows less. */
export const BOUNDS: Readonly<Record<string, 'least' | 'most'>> = {
  ...{ minimum: 'least', exclusiveMinimum: 'least', minLength: 'least', minItems: 'least', minProperties: 'least' },
  ...{ maximum: 'most', exclusiveMaximum: 'most', maxLength: 'most', maxItems: 'most', maxProperties: 'most' },
}
export const CHECKS = ['format', 'pattern', 'multipleOf', 'uniqueItems', 'contentEncoding', 'contentMediaType']
const COMPARED = new Set([
  ...[
    'type',
    'enum',
    'const',
    'properties',
    'required',
    'additionalProperties',
    'items',
    'prefixItems',
    'anyOf',
    'oneOf',
  ],
  ...['$ref', 'nullable', ...Object.keys(BOUNDS), ...CHECKS],
])
const TYPES = ['array', 'boolean', 'integer', 'null', 'number', 'object', 'string']

export type Keywords = Exclude<JsonSchema, boolean>

export function refOf(schema: JsonSchema): string | undefined {
  return typeof schema === 'object' && typeof schema.$ref === 'string' ? schema.$ref : undefined
}

/** What a reference inside the document stands for. */
export function resolved(schema: JsonSchema, root: JsonSchema): JsonSchema {
  let current = schema
  for (let steps = 0; steps < 100; steps++) {
    const ref = refOf(current)
    if (ref === undefined || !ref.startsWith('#')) return current
    const parts = ref.slice(1).split('/').slice(1)
    let found: unknown = root
    for (const part of parts) {
      const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
      found = typeof found === 'object' && found !== null ? Reflect.get(found, name) : undefined
    }
    const target = asSchema(found)
    if (target === undefined) return current
    const { $ref: _, ...beside } = asObject(current)
    current = typeof target === 'object' ? { ...target, ...beside } : target
  }
  return schema
}

export function isAnything(schema: JsonSchema): boolean {
  return schema === true || (typeof schema === 'object' && Object.keys(schema).every((keyword) => NOTES.has(keyword)))
}

/** Keywords that are not understood, where the two sides differ in them. */
export function* strangeKeywords(before: Keywords, after: Keywords): Generator<string> {
  for (const keyword of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (NOTES.has(keyword) || COMPARED.has(keyword)) continue
    if (canonical(before[keyword]) !== canonical(after[keyword])) yield keyword
  }
  for (const keyword of ['$ref'] as const) if (before[keyword] !== after[keyword]) yield keyword
}

export function alternatives(schema: Keywords): readonly JsonSchema[] {
  const { anyOf, oneOf, nullable, ...beside } = schema
  const found = [...schemasOf(anyOf), ...schemasOf(oneOf)]
  if (nullable === true) return [beside, { type: 'null' }]
  if (found.length > 0) return found.map((one): JsonSchema => (typeof one === 'object' ? { ...beside, ...one } : one))
  const types = schema.type
  const parted: boolean =
    Array.isArray(types) && types.length > 1 && Object.keys(schema).length > 1 && schema.enum === undefined
  return parted ? textsOf(types).map((type) => ({ ...schema, type })) : [schema]
}

export function typesOf(schema: Keywords): readonly string[] {
  if (typeof schema.type === 'string') return [schema.type]
  if (Array.isArray(schema.type)) return textsOf(schema.type).toSorted()
  const values = schema.enum ?? (schema.const === undefined ? undefined : [schema.const])
  if (!Array.isArray(values)) return TYPES.filter((type) => type !== 'integer')
  return [...new Set(values.map((value: unknown) => typeOfValue(value)))].sort()
}

function typeOfValue(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

/** As JSON texts; undefined where any value goes. */
export function valuesOf(schema: Keywords): readonly string[] | undefined {
  if (schema.const !== undefined) return [canonical(schema.const)]
  return Array.isArray(schema.enum) ? schema.enum.map((value: unknown) => canonical(value)) : undefined
}

export function membersOf(schema: Keywords): Readonly<Record<string, JsonSchema>> {
  return (schema.properties ?? {}) as Record<string, JsonSchema>
}

/** What members that are not named must be, where they are allowed for their own sake. */
export function restOf(schema: Keywords): JsonSchema | undefined {
  const rest = asSchema(schema.additionalProperties)
  return rest === undefined || isClosed(rest) ? undefined : rest
}

export function isClosed(rest: unknown): boolean {
  return rest === undefined || rest === false
}

export function asSchema(value: unknown): JsonSchema | undefined {
  return typeof value === 'boolean' || (typeof value === 'object' && value !== null && !Array.isArray(value))
    ? (value as JsonSchema)
    : undefined
}

export function asObject(schema: JsonSchema): Keywords {
  return typeof schema === 'object' ? schema : {}
}

export function schemasOf(value: unknown): readonly JsonSchema[] {
  return Array.isArray(value) ? value.map(asSchema).filter((one) => one !== undefined) : []
}

export function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}

/** JSON with sorted keys, without what says nothing about values. */
export function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, inner: unknown) => {
      if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner
      return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
    }) ?? 'undefined'
  )
}

export function list(values: readonly string[]): string {
  return values.slice(0, 10).join(', ') + (values.length > 10 ? ` and ${values.length - 10} more` : '')
}

export function shown(value: unknown): string {
  return value === undefined ? 'free' : JSON.stringify(value)
}

export function brief(schema: JsonSchema): string {
  if (typeof schema === 'boolean') return schema ? 'anything' : 'nothing'
  const values = valuesOf(schema)
  return values === undefined ? typesOf(schema).join(' or ') : list(values)
}

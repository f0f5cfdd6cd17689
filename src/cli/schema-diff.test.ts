import { type } from 'arktype'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { isBreaking, type JsonSchema, schemaChanges } from './schema-diff.ts'

const text = { type: 'string' }
const count = { type: 'integer' }
const object = (properties: Record<string, JsonSchema>, required: readonly string[] = Object.keys(properties)) => ({
  type: 'object',
  properties,
  required,
})
const list = { $defs: { Node: object({ name: text, next: { $ref: '#/$defs/Node' } }, ['name']) }, $ref: '#/$defs/Node' }
const listOfCounts = {
  $defs: { Node: object({ name: count, next: { $ref: '#/$defs/Node' } }, ['name']) },
  $ref: '#/$defs/Node',
}
const shape = (kind: string, members: Record<string, JsonSchema>) => object({ kind: { const: kind }, ...members })

/** What was, what is, and the changes: `!` before those that break. */
const TABLE: readonly (readonly [string, JsonSchema, JsonSchema, readonly string[]])[] = [
  ['nothing', object({ a: text }), object({ a: text }), []],
  ['notes', { ...text, description: 'a' }, { ...text, title: 'b', default: 'x' }, []],
  ['an optional member', object({ a: text }), object({ a: text, b: text }, ['a']), ['data.b was added']],
  ['a required member', object({ a: text }), object({ a: text, b: text }), ['!data.b was added, and is required']],
  ['a member less', object({ a: text, b: text }), object({ a: text }), ['!data.b was removed']],
  ['an optional member less', object({ a: text, b: text }, ['a']), object({ a: text }), ['!data.b was removed']],
  ['a member that is required', object({ a: text }, []), object({ a: text }), ['!data.a was optional, is required']],
  ['a member that is optional', object({ a: text }), object({ a: text }, []), ['data.a was required, is optional']],
  ['another type', object({ a: text }), object({ a: count }), ['!data.a was string, is integer']],
  ['a wider number', object({ a: count }), object({ a: { type: 'number' } }), ['data.a was integer, may be number']],
  ['a narrower number', object({ a: { type: 'number' } }), object({ a: count }), ['!data.a was number, is integer']],
  ['one more type', text, { type: ['string', 'null'] }, ['data was string, may be null or string']],
  ['one type less', { type: ['string', 'null'] }, text, ['!data was null or string, is string']],
  ['one more value', { enum: ['a'] }, { enum: ['a', 'b'] }, ['data may also be "b"']],
  ['one value less', { enum: ['a', 'b'] }, { enum: ['a'] }, ['!data may not be "b" any more']],
  ['values for what was free', text, { ...text, enum: ['a'] }, ['!data must be one of "a" now']],
  ['no values any more', { ...text, const: 'a' }, text, ['data may have any value now']],
  ['a bound', text, { ...text, minLength: 1 }, ['!data minLength was free, is 1']],
  ['a tighter bound', { ...count, maximum: 9 }, { ...count, maximum: 5 }, ['!data maximum was 9, is 5']],
  ['a wider bound', { ...count, minimum: 5 }, { ...count, minimum: 0 }, ['data minimum was 5, is 0']],
  ['no bound', { ...count, minimum: 5 }, count, ['data minimum was 5, is free']],
  ['a format', text, { ...text, format: 'email' }, ['!data format was free, is "email"']],
  ['no format', { ...text, format: 'email' }, text, ['data format was "email", is free']],
  [
    'other elements',
    { type: 'array', items: text },
    { type: 'array', items: count },
    ['!data[] was string, is integer'],
  ],
  [
    'members of elements',
    object({ items: { type: 'array', items: object({ sku: text, price: count }) } }),
    object({ items: { type: 'array', items: object({ sku: text, price: text }) } }),
    ['!data.items[].price was integer, is string'],
  ],
  [
    'a place in a tuple',
    { type: 'array', prefixItems: [text, text] },
    { type: 'array', prefixItems: [text, count] },
    ['!data[1] was string, is integer'],
  ],
  [
    'a longer tuple',
    { type: 'array', prefixItems: [text] },
    { type: 'array', prefixItems: [text, count] },
    ['!data[1] was added'],
  ],
  ['anything', text, {}, ['data may be anything now']],
  ['what could be anything', {}, text, ['!data could be anything, and cannot any more']],
  [
    'an alternative more',
    { anyOf: [text, count] },
    { anyOf: [text, count, { type: 'null' }] },
    ['data may also be null'],
  ],
  [
    'an alternative less',
    { anyOf: [text, count, { type: 'null' }] },
    { anyOf: [text, count] },
    ['!data may not be null any more'],
  ],
  ['alternatives in another order', { anyOf: [text, count] }, { anyOf: [count, text] }, []],
  ['an alternative for what was one', text, { anyOf: [text, { type: 'null' }] }, ['data may also be null']],
  [
    'a member of an alternative',
    { anyOf: [shape('card', { number: text }), shape('cash', {})] },
    { anyOf: [shape('card', { number: count }), shape('cash', {})] },
    ['!data.number was string, is integer'],
  ],
  ['closing an object', object({ a: text }), { ...object({ a: text }), additionalProperties: false }, []],
  [
    'what a record holds',
    { type: 'object', additionalProperties: text },
    { type: 'object', additionalProperties: count },
    ['!data[*] was string, is integer'],
  ],
  [
    'a record that is none any more',
    { type: 'object', additionalProperties: text },
    object({}),
    ['!data[*] any further member was allowed, and is not any more'],
  ],
  ['a schema that holds itself, unchanged', list, list, []],
  ['a schema that holds itself', list, listOfCounts, ['!data.name was string, is integer']],
  [
    'a reference for what was written out',
    object({ a: text }),
    { $defs: { T: text }, ...object({ a: { $ref: '#/$defs/T' } }) },
    [],
  ],
  ['what is not understood', { not: text }, { not: count }, ['!data cannot be compared for not']],
  [
    'what is not understood, unchanged',
    { ...text, not: { const: 'a' } },
    { ...text, not: { const: 'a' }, title: 't' },
    [],
  ],
  [
    'a name that is no word',
    object({ 'a b': text }),
    object({ 'a b': count }),
    ['!data["a b"] was string, is integer'],
  ],
]

describe('from one schema to another', () => {
  test.each(TABLE)('%s', (_, before, after, expected) => {
    const found = schemaChanges(before, after)
    expect(found.map(({ path, change, breaking }) => `${breaking ? '!' : ''}${path} ${change}`)).toEqual(expected)
  })

  test.each(TABLE)('%s: no schema differs from itself', (_, before, after) => {
    expect(schemaChanges(before, before)).toEqual([])
    expect(schemaChanges(after, after)).toEqual([])
  })
})

describe('as libraries write them', () => {
  const target = 'draft-2020-12'
  const before = z.object({
    id: z.string(),
    total: z.number(),
    note: z.string().optional(),
    status: z.enum(['open', 'closed']),
    lines: z.array(z.object({ sku: z.string(), amount: z.int() })),
  })
  const of = (schema: typeof before | z.ZodType) => z.toJSONSchema(schema, { io: 'output', target }) as JsonSchema

  test.each([
    ['an optional member', before.extend({ tag: z.string().optional() }), false],
    ['a member with a default', before.extend({ tag: z.string().default('') }), true],
    ['null', before.extend({ total: z.number().nullable() }), false],
    ['one more value', before.extend({ status: z.enum(['open', 'closed', 'void']) }), false],
    ['one value less', before.extend({ status: z.enum(['open']) }), true],
    ['a member less', before.omit({ note: true }), true],
    ['a union', before.extend({ id: z.union([z.string(), z.number()]) }), false],
  ])('Zod: %s', (_, after, breaking) => {
    const found = schemaChanges(of(before), of(after))
    expect(found.length).toBeGreaterThan(0)
    expect(isBreaking(found)).toBe(breaking)
  })

  test('the same said by another library is no change', () => {
    const ark = type({ id: 'string', total: 'number', 'note?': 'string' })
    const zod = z.object({ id: z.string(), total: z.number(), note: z.string().optional() })
    const written = ark['~standard'].jsonSchema.output({ target }) as JsonSchema
    expect(schemaChanges(of(zod), written)).toEqual([])
    expect(schemaChanges(written, of(zod))).toEqual([])
  })
})

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { sqlite } from '../engines/sqlite/index.ts'
import { defineEvent, hodisa } from '../index.ts'
import { hodisaCommand, inProcess, jsonLines, newStore } from './fixtures/command.ts'

const index = import.meta.resolve('../index.ts')
const libraries = ['zod', 'arktype', 'valibot'].map((name) => [name, import.meta.resolve(name)] as const)

/** A folder with modules of definitions, a record and a store. */
function project() {
  const store = newStore()
  const folder = dirname(store)
  const file = join(folder, 'hodisa.schema.json')
  let modules = 0
  /** A new module each time: an imported one is not read again. */
  const module = (body: string): string => {
    const path = join(folder, `events-${modules++}.ts`)
    const imports = libraries.map(([name, url]) => `import * as ${name} from '${url}'`).join('\n')
    writeFileSync(
      path,
      `import { defineEvent, dropped, splitInto, unchecked } from '${index}'\n${imports}\nconst { z } = zod\nvoid [defineEvent, dropped, splitInto, unchecked, arktype, valibot, z]\n${body}`,
    )
    return path
  }
  const record = (body: string) => inProcess(['schema', 'record', module(body), '--file', file])
  const check = (body: string, ...more: readonly string[]) =>
    inProcess(['schema', 'check', module(body), '--file', file, '--json', ...more])
  return { store, folder, file, module, record, check }
}

interface Line {
  readonly type?: string
  readonly level?: string
  readonly message?: string
  readonly changes?: readonly { path: string; change: string; breaking: boolean }[]
  readonly sampled?: Readonly<Record<string, unknown>>
}

const V1 = `export const Placed = defineEvent('order.placed', { schema: z.object({ id: z.string(), total: z.number() }), stream: (order) => order.id })`

test('records definitions, and finds nothing changed', async () => {
  const { record, check, file } = project()
  expect(await record(`${V1}\nexport default [defineEvent('a.b')]`)).toMatchObject({
    exit: 0,
    out: `recorded 2 types in ${file}\n`,
  })
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
    format: 1,
    events: { 'order.placed': { version: 1, category: 'order', schema: { required: ['id', 'total'] } } },
  })
  const { exit, out } = await check(`${V1}\nexport const other = { ab: defineEvent('a.b') }`)
  expect(exit).toBe(0)
  expect(jsonLines<Line>(out)).toMatchObject([
    { type: 'a.b', level: 'unknown', message: expect.stringMatching(/cannot compare.*defined without a schema/) },
    { type: 'order.placed', level: 'same', from: 1, to: 1 },
  ])
})

test.each([
  [
    'an optional member',
    `z.object({ id: z.string(), total: z.number(), note: z.string().optional() })`,
    '',
    'compatible',
  ],
  ['a required member', `z.object({ id: z.string(), total: z.number(), note: z.string() })`, '', 'breaking'],
  ['a member less', `z.object({ id: z.string() })`, '', 'breaking'],
  ['another type', `z.object({ id: z.string(), total: z.string() })`, '', 'breaking'],
  [
    'another type, with a step',
    `z.object({ id: z.string(), total: z.string() })`,
    `version: 2, upcast: { 1: (v1) => ({ ...v1, total: String(v1.total) }) },`,
    'compatible',
  ],
  ['another kind', `z.object({ id: z.string(), total: z.number() })`, `kind: 'integration',`, 'breaking'],
  ['other streams', `z.object({ id: z.string(), total: z.number() })`, `category: 'purchase',`, 'breaking'],
])('%s is told as what it is', async (_, schema, options, level) => {
  const { record, check } = project()
  await record(V1)
  const body = `export const Placed = defineEvent('order.placed', { schema: ${schema}, stream: (order) => order.id, ${options} })`
  const { exit, out, err } = await check(body)
  expect(jsonLines<Line>(out)).toMatchObject([{ type: 'order.placed', level }])
  expect(exit).toBe(level === 'breaking' ? 1 : 0)
  if (exit === 1) expect(jsonLines(err)).toMatchObject([{ error: { code: 'schema-breaking' } }])
})

test('types that come, go and are renamed', async () => {
  const { record, check } = project()
  await record(`${V1}\nexport const Old = defineEvent('order.old', { was: ['order.older'] })`)
  const renamed = V1.replace(`'order.placed', {`, `'purchase.made', { was: ['order.placed'],`)
  const { exit, out } = await check(`${renamed}\nexport const Old = defineEvent('order.old')`)
  expect(exit).toBe(1)
  expect(jsonLines<Line>(out)).toMatchObject([
    { type: 'order.old', level: 'breaking', message: expect.stringContaining('order.older') },
    { type: 'purchase.made', level: 'compatible', message: expect.stringContaining('renamed from order.placed') },
  ])
  const gone = await check(`export const New = defineEvent('order.new')`)
  expect(gone.exit).toBe(1)
  expect(jsonLines<Line>(gone.out)).toMatchObject([
    { type: 'order.new', level: 'compatible', message: 'it is new' },
    { type: 'order.old', level: 'breaking' },
    { type: 'order.placed', level: 'breaking' },
  ])
})

test('a member with a default is always there in what is recorded', async () => {
  const { record, check } = project()
  await record(`export const A = defineEvent('a.b', { schema: arktype.type({ id: 'string' }) })`)
  const { exit, out } = await check(
    `export const A = defineEvent('a.b', { schema: arktype.type({ id: 'string', n: 'number = 3' }) })`,
  )
  expect(exit).toBe(1)
  expect(jsonLines<Line>(out)).toMatchObject([{ changes: [{ path: 'data.n', change: 'was added, and is required' }] }])
})

test('says for each type what cannot be compared, and why', async () => {
  const { record, check } = project()
  const body = `
    export const one = defineEvent('a.unchecked', { schema: unchecked() })
    export const two = defineEvent('b.valibot', { schema: valibot.object({ id: valibot.string() }) })
    export const three = defineEvent('c.transformed', { schema: z.object({ id: z.string().transform(Number) }) })
    export const four = defineEvent('d.arktype', { schema: arktype.type({ id: 'string' }) })`
  await record(body)
  const { exit, out } = await check(body)
  expect(exit).toBe(0)
  expect(jsonLines<Line>(out)).toMatchObject([
    { level: 'unknown', message: expect.stringContaining('unchecked()') },
    { level: 'unknown', message: expect.stringContaining('@valibot/to-json-schema is not installed') },
    { level: 'unknown', message: expect.stringContaining('no JSON Schema') },
    { level: 'same' },
  ])
})

test('asks before it records what breaks', async () => {
  const { record, module, file } = project()
  await record(V1)
  const before = readFileSync(file, 'utf8')
  const changed = V1.replace('total: z.number()', 'total: z.string()')
  const refused = await record(changed)
  expect(refused).toMatchObject({ exit: 4, err: expect.stringContaining('data.total was number, is string') })
  expect(readFileSync(file, 'utf8')).toBe(before)
  expect(await inProcess(['schema', 'record', module(changed), '--file', file, '--yes'])).toMatchObject({ exit: 0 })
  expect(readFileSync(file, 'utf8')).not.toBe(before)
})

test('tries the upcasters on what the store holds, and names place and issue', async () => {
  const { record, check, store } = project()
  const Placed = defineEvent('order.placed', {
    schema: z.object({ id: z.string(), total: z.union([z.number(), z.null()]) }),
  })
  const Newer = defineEvent('order.sent', { version: 2, upcast: { 1: (v1: { [name: string]: unknown }) => v1 } })
  await using app = await hodisa({ source: 'test', store: sqlite(store), events: [Placed, Newer] })
  for (let n = 1; n <= 30; n++) await app.publish(Placed({ id: `o${n}`, total: n === 1 ? null : n }, { id: `e${n}` }))
  await app.publish(Newer({ a: 1 }))
  const body = (step: string) => `
    export const Placed = defineEvent('order.made', {
      version: 2, was: ['order.placed'], schema: z.object({ id: z.string(), total: z.string() }),
      upcast: { 1: (v1) => { ${step} } },
    })`
  await record(body('return v1'))
  const good = await check(body('return { ...v1, total: String(v1.total) }'), '--store', store, '--samples', '4')
  expect(good.exit).toBe(0)
  expect(jsonLines<Line>(good.out).slice(1)).toEqual([
    { sampled: { type: 'order.placed', version: 1, events: 30, tried: 4, problems: [] } },
  ])
  const bad = await check(
    `${body('return { ...v1, total: v1.total.toFixed(2) }')}\nexport const Sent = defineEvent('order.sent')`,
    '--store',
    store,
  )
  expect(bad.exit).toBe(1)
  expect(jsonLines<Line>(bad.out).slice(2)).toMatchObject([
    { sampled: { type: 'order.placed', tried: 10, problems: [{ what: 'upcast', id: 'e1', position: 1 }] } },
    { sampled: { type: 'order.sent', version: 2, problems: [{ what: 'newer', position: 31 }] } },
  ])
  const wrong = await check(body(`return v1.total === 30 ? v1 : { ...v1, total: '' }`), '--store', store)
  expect(wrong.exit).toBe(1)
  expect(jsonLines<Line>(wrong.out).at(-1)).toMatchObject({
    sampled: { problems: [{ what: 'data', id: 'e30', position: 30, issue: expect.stringMatching(/^data\.total: /) }] },
  })
})

test('does not blame what a schema gave out for not being what it takes', async () => {
  const { record, check, store } = project()
  const schema = 'z.object({ at: z.string().transform(Number).pipe(z.number()) })'
  const Met = defineEvent('person.met')
  await using writer = await hodisa({ source: 'test', store: sqlite(store), events: [Met] })
  await writer.publish(Met({ at: 5 }))
  const body = `export const Met = defineEvent('person.met', { schema: ${schema} })`
  await record(body)
  const { exit, out } = await check(body, '--store', store)
  expect(exit).toBe(0)
  expect(jsonLines<Line>(out).at(-1)).toMatchObject({ sampled: { unchecked: 'its schema changes what it takes' } })
})

test('as a person sees it', async () => {
  const { file, module, record } = project()
  await record(V1)
  const { exit, out, err } = await hodisaCommand([
    ...['schema', 'check', module(V1.replace('total: z.number()', 'total: z.string(), note: z.string().optional()'))],
    ...['--file', file],
  ])
  expect(exit).toBe(1)
  expect(out).toBe(
    'breaking   order.placed version 1: it changed and its version did not: raise it to 2 and give upcast[1]\n' +
      '    data.note was added\n  ✗ data.total was number, is string\n',
  )
  expect(err).toMatch(/^error schema-breaking: 1 type changed/)
})

test('wrong usage is told as such', async () => {
  const { check, module, file, folder } = project()
  const errorOf = (outcome: { err: string }) => jsonLines<{ error: { code: string } }>(outcome.err)[0]?.error.code
  const missing = await check(V1)
  expect([missing.exit, errorOf(missing)]).toEqual([2, 'no-record'])
  for (const body of [
    'export const nothing = 1',
    'throw new Error("boom")',
    `export const a = [defineEvent('a.b'), defineEvent('a.b')]`,
  ]) {
    const outcome = await check(body)
    expect([outcome.exit, errorOf(outcome)]).toEqual([2, 'no-definitions'])
  }
  const none = await inProcess(['schema', 'check', join(folder, 'none.ts'), '--file', file, '--json'])
  expect([none.exit, errorOf(none)]).toEqual([2, 'no-definitions'])
  mkdirSync(folder, { recursive: true })
  for (const text of ['{', '{}', '{"format":2,"events":{}}', '{"format":1,"events":{"a.b":{}}}']) {
    writeFileSync(file, text)
    const outcome = await inProcess(['schema', 'check', module(V1), '--file', file, '--json'])
    expect([outcome.exit, errorOf(outcome)]).toEqual([2, 'invalid-record'])
  }
})

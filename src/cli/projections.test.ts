import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { sqlite } from '../engines/sqlite/index.ts'
import { defineEvent, defineProjection, hodisa, type ProjectionStatus, unchecked } from '../index.ts'
import { fakeTerminal, inProcess, jsonLines, newStore } from './fixtures/command.ts'
import { run } from './run.ts'

const index = import.meta.resolve('../index.ts')

const Created = defineEvent('order.created', { schema: unchecked<{ readonly id: string; readonly total: number }>() })

function totals(wrong = 0) {
  return defineProjection<{ total: number }>('totals', { version: 1 }).on(Created, (view, { data }) =>
    view.set(data.id, { total: data.total + wrong }),
  )
}

/** A module as a user has it, with what its handler does. */
function moduleOf(store: string, body: string): string {
  const path = join(dirname(store), `views-${Math.random()}.ts`)
  writeFileSync(
    path,
    `import { defineProjection } from '${index}'
export const Totals = defineProjection('totals', { version: 1 }).on('order.created', (view, { data }) => { ${body} })
export const other = { Ids: defineProjection('ids', { version: 1 }).on('order.*', (view, { id }) => view.set(id, { id })) }
`,
  )
  return path
}

const SETS = 'view.set(data.id, { total: data.total })'

/** A store with three orders and a view of them, whose handler added `wrong`. */
async function shop(wrong = 0): Promise<string> {
  const store = newStore()
  const app = await hodisa({ source: 'shop', store: sqlite(store), events: [Created] })
  app.project(totals(wrong))
  await app.start()
  await app.publish([1, 2, 3].map((n) => Created({ id: `o${n}`, total: n })))
  await app.settled()
  await app.stop()
  return store
}

async function listed(store: string): Promise<ProjectionStatus[]> {
  const { out } = await inProcess(['projections', 'list', '--json', '--store', store])
  return jsonLines<ProjectionStatus>(out)
}

test('lists projections in columns, with their state, position and documents', async () => {
  const store = await shop()
  expect(await listed(store)).toMatchObject([
    { projection: 'totals', version: 1, mode: 'async', state: 'down', position: 3, lag: 0, documents: 3 },
  ])
  const { out } = await inProcess(['projections', 'list', '--store', store])
  expect(out).toMatch(/^PROJECTION +MODE +STATE +POSITION +LAG +DOCUMENTS +REBUILD\ntotals@1 +async +down +3 +0 +3\n$/)
})

test('verifies a view: nothing differs, or what does, with exit code 1', async () => {
  const right = await shop()
  const args = ['--projection', 'totals', '--store']
  expect(await inProcess(['projections', 'verify', moduleOf(right, SETS), ...args, right])).toMatchObject({
    exit: 0,
    out: 'totals@1: is what the log makes (3 events, 3 documents)\n',
  })
  const wrong = await shop(10)
  const found = await inProcess(['projections', 'verify', moduleOf(wrong, SETS), ...args, wrong])
  expect(found).toMatchObject({ exit: 1, err: expect.stringContaining('error view-differs: ') })
  expect(found.out).toContain('o1\n- {"total":11}\n+ {"total":1}\n')
  expect(found.out).toContain('totals@1: 3 documents differ (3 events, 3 documents)\n')
})

test('rebuilds the views of a module, those that were never built too, and shows what changes', async () => {
  const store = await shop(10)
  const module = moduleOf(store, SETS)
  const { exit, out } = await inProcess(['projections', 'rebuild', module, '--diff', '--store', store])
  expect(exit).toBe(0)
  expect(out).toContain('o2\n- {"total":12}\n+ {"total":2}\n')
  expect(out).toContain('rebuilt totals@1: 3 events, 3 documents, 3 documents changed\n')
  expect(out).toContain('rebuilt ids@1: 3 events, 3 documents, 0 documents changed\n')
  const app = await hodisa({ source: 'shop', store: sqlite(store), events: [Created] })
  expect(await app.view(totals()).get('o2')).toEqual({ total: 2 })
  await app.stop()
  const again = await inProcess(['projections', 'rebuild', module, '--json', '--projection', 'ids', '--store', store])
  expect(jsonLines(again.out)).toEqual([{ projection: 'ids', version: 1, events: 3, documents: 3 }])
})

test('a rebuild names the event that the handlers fail at, and the view stays', async () => {
  const store = await shop()
  const module = moduleOf(store, `if (data.total === 2) throw new Error('two is bad'); ${SETS}`)
  const { exit, err } = await inProcess(['projections', 'rebuild', module, '--projection', 'totals', '--store', store])
  expect(exit).toBe(1)
  expect(err).toMatch(
    /^error rebuild-failed: projection totals@1: order.created evt_\w+ at position 2 fails: two is bad\n/,
  )
  expect(await listed(store)).toMatchObject([{ documents: 3, rebuild: { position: 1 } }])
})

test('drops a version, when it is confirmed', async () => {
  const store = await shop()
  const terminal = fakeTerminal({ answer: false })
  expect(await run(['projections', 'drop', 'totals@1', '--store', store], terminal)).toBe(4)
  expect(terminal.questions).toEqual(['Drop totals@1: its documents and its progress? [y/N] '])
  expect(await inProcess(['projections', 'drop', 'totals@1', '--yes', '--store', store])).toMatchObject({ exit: 0 })
  expect(await listed(store)).toEqual([])
  expect(await inProcess(['projections', 'drop', 'totals@1', '--yes', '--store', store])).toMatchObject({ exit: 3 })
})

test('says what a module lacks', async () => {
  const store = await shop()
  const { exit, err } = await inProcess([
    'projections',
    'verify',
    moduleOf(store, SETS),
    '--projection',
    'x',
    '--store',
    store,
  ])
  expect({ exit, err }).toMatchObject({ exit: 2, err: expect.stringContaining('exports no projection x') })
})

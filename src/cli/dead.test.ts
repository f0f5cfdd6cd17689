import { afterEach, expect, test, vi } from 'vitest'
import { sqlite } from '../engines/sqlite/index.ts'
import { type App, type DeadLetter, defineEvent, hodisa, PermanentError } from '../index.ts'
import { fakeTerminal, inProcess, jsonLines, newStore } from './fixtures/command.ts'
import { run } from './run.ts'

// Processes are slow to start on a machine that is busy.
afterEach(() => vi.unstubAllEnvs())

const Created = defineEvent('order.created')

const nothing = () => undefined
const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing }

interface Shop {
  readonly app: App
  /** Data of the orders that were handled well. */
  readonly handled: unknown[]
}

/** A service that takes no order whose `bad` is true, and has been sent these. */
async function shopWith(store: string, ...orders: { key: string; bad: boolean }[]): Promise<Shop> {
  const handled: unknown[] = []
  const app = await hodisa({ source: 'shop', store: sqlite(store), events: [Created], logger: silent })
  app.service('email', { from: 'start' }).on(Created, (event) => {
    if (event.data.bad === true) throw new PermanentError(`cannot mail ${event.data.key}`)
    handled.push(event.data)
  })
  await app.start()
  for (const order of orders) await app.publish(Created({ ...order }, { key: order.key }))
  const bad = new Set(orders.filter((order) => order.bad).map(({ key }) => key)).size
  await expect.poll(() => app.deadLetters.list({ state: 'parked' }), { timeout: 60_000 }).toHaveLength(bad)
  return { app: app as unknown as App, handled }
}

async function letters(store: string, ...args: string[]): Promise<DeadLetter[]> {
  const { exit, out, err } = await inProcess(['dead', 'list', '--json', '--store', store, ...args])
  expect({ exit, err }).toEqual({ exit: 0, err: '' })
  return jsonLines<DeadLetter>(out).sort((one, other) => one.key.localeCompare(other.key))
}

test('lists dead letters in columns, and shows one with its error and its event', async () => {
  const store = newStore()
  const { app } = await shopWith(store, { key: 'a', bad: true }, { key: 'b', bad: false }, { key: 'c', bad: true })
  await app.stop()
  const found = await letters(store)
  expect(found).toMatchObject([
    { service: 'email', key: 'a', state: 'parked', attempts: 1, event: { data: { key: 'a', bad: true } } },
    { service: 'email', key: 'c' },
  ])
  expect(await letters(store, '--key', 'c')).toMatchObject([{ key: 'c' }])
  expect(await letters(store, '--limit', '1')).toHaveLength(1)
  expect(await letters(store, '--service', 'other')).toEqual([])

  const human = await inProcess(['dead', 'list', '--store', store])
  const [head, ...rows] = human.out.split('\n')
  const row = rows.find((line) => line.startsWith(found[0]?.id ?? '-'))
  expect(head).toMatch(/^ID +SERVICE +TYPE +KEY +STATE +ATTEMPTS +PARKED +ERROR$/)
  expect(row?.slice(head?.indexOf('ERROR'))).toBe('PermanentError: cannot mail a')

  const shown = await inProcess(['dead', 'show', found[0]?.id ?? '', '--store', store])
  expect(shown).toMatchObject({ exit: 0, err: '' })
  for (const text of ['PermanentError: cannot mail a', 'order.created (version 1)', '"key": "a"']) {
    expect(shown.out).toContain(text)
  }
})

test('a letter redriven with edited data is handled, and what waited behind it follows', async () => {
  const store = newStore()
  const { app, handled } = await shopWith(store, { key: 'a', bad: true }, { key: 'a', bad: false })
  const [letter] = await letters(store)
  const data = '{"key":"a","bad":false,"edited":true}'
  const redriven = await inProcess(['dead', 'redrive', letter?.id ?? '', '--data', '-', '--store', store], data)
  expect(redriven).toEqual({ exit: 0, out: `redriven ${letter?.id}\n`, err: '' })
  await app.settled()
  expect(handled).toEqual([JSON.parse(data), { key: 'a', bad: false }])
  expect(await letters(store)).toEqual([])
  await app.stop()
})

test('all that match are redriven at once, when that is confirmed', async () => {
  const store = newStore()
  const { app } = await shopWith(store, { key: 'a', bad: true }, { key: 'b', bad: true }, { key: 'c', bad: true })
  await app.stop()
  const args = ['dead', 'redrive', '--service', 'email', '--store', store]
  expect(await inProcess(args)).toMatchObject({ exit: 4, out: '' })
  const yes = fakeTerminal({ answer: true })
  expect(await run([...args, '--json'], yes)).toBe(0)
  expect(yes.questions).toEqual(['Redrive 3 dead letters? [y/N] '])
  expect(jsonLines(yes.out)).toMatchObject([{ action: 'redriven' }, { action: 'redriven' }, { action: 'redriven' }])
  expect(await letters(store)).toMatchObject([{ state: 'redriving' }, { state: 'redriving' }, { state: 'redriving' }])
})

test('skipping keeps the record, dropping does not; the key goes on', async () => {
  const store = newStore()
  const { app, handled } = await shopWith(
    store,
    { key: 'a', bad: true },
    { key: 'a', bad: false },
    { key: 'b', bad: true },
    { key: 'b', bad: false },
  )
  const [a, b] = (await letters(store)).map(({ id }) => id)
  const act = (action: string, id = '') => inProcess(['dead', action, id, '--yes', '--store', store])
  expect(await act('skip', a)).toMatchObject({ exit: 0, out: `skipped ${a}\n` })
  expect(await act('drop', b)).toMatchObject({ exit: 0, out: `dropped ${b}\n` })
  await app.settled()
  expect(handled).toHaveLength(2)
  expect(await letters(store)).toMatchObject([{ id: a, state: 'skipped' }])
  await app.stop()
})

test('one of many that fails is reported, and the rest is done', async () => {
  const store = newStore()
  const { app } = await shopWith(store, { key: 'a', bad: true })
  await app.stop()
  const [letter] = await letters(store)
  const outcome = await inProcess(['dead', 'drop', 'none', letter?.id ?? '', '--yes', '--store', store])
  expect(outcome).toMatchObject({ exit: 1, out: `dropped ${letter?.id}\n` })
  expect(outcome.err).toMatch(/^error dead-letter-unknown: .*\n.*\nerror incomplete: 1 of 2 could not be dropped\n/)
})

test('nothing is done to letters nobody named', async () => {
  const store = newStore()
  await (await hodisa({ source: 'shop', store: sqlite(store) })).stop()
  const dead = (...args: string[]) => inProcess(['dead', ...args, '--yes', '--store', store])
  for (const action of ['redrive', 'skip', 'drop']) {
    expect(await dead(action)).toMatchObject({ exit: 2, err: expect.stringMatching(/^error usage: /) })
    expect(await dead(action, 'id', '--all')).toMatchObject({ exit: 2 })
    expect(await dead(action, '--all')).toEqual({ exit: 0, out: '', err: 'no dead letters match\n' })
  }
  expect(await dead('redrive', '--all', '--data', '{}')).toMatchObject({ exit: 2 })
})

test('redriving up to a point leaves what is behind it, and shows first how many it takes', async () => {
  const store = newStore()
  const { app } = await shopWith(store, { key: 'a', bad: true }, { key: 'b', bad: true }, { key: 'c', bad: true })
  await app.stop()
  const until = (await letters(store)).find(({ key }) => key === 'b')?.event.position
  const terminal = fakeTerminal({ answer: true })
  expect(await run(['dead', 'redrive', '--until', String(until), '--store', store], terminal)).toBe(0)
  expect(terminal.err).toMatch(/^SERVICE +TYPE +LETTERS\nemail +order.created +2\n$/)
  expect(terminal.questions).toEqual(['Redrive 2 dead letters? [y/N] '])
  expect((await letters(store)).map(({ key, state }) => [key, state])).toEqual([
    ['a', 'redriving'],
    ['b', 'redriving'],
    ['c', 'parked'],
  ])
  expect(await letters(store, '--until', String(until))).toHaveLength(2)
})

test('edit opens the data in the editor, and redrives with what was saved', async () => {
  const store = newStore()
  const { app, handled } = await shopWith(store, { key: 'a', bad: true })
  const [letter] = await letters(store)
  const edit = (editor: string, ...more: string[]) => {
    vi.stubEnv('VISUAL', editor)
    return inProcess(['dead', 'edit', letter?.id ?? '', ...more, '--store', store])
  }
  expect(await edit('true')).toMatchObject({ exit: 4, err: expect.stringContaining('was not changed') })
  expect(await edit('false')).toMatchObject({ exit: 1, err: expect.stringMatching(/^error editor-failed: /) })
  expect(await edit('echo [1] >')).toMatchObject({ exit: 2, err: expect.stringMatching(/^error invalid-json: /) })
  expect(await letters(store)).toMatchObject([{ state: 'parked', edited: false }])
  expect(await edit(`sed -i.bak 's/true/false/'`)).toEqual({
    exit: 0,
    out: `redriven ${letter?.id} with the edited data\n`,
    err: '',
  })
  await app.settled()
  expect(handled).toEqual([{ key: 'a', bad: false }])
  expect(await edit('true')).toMatchObject({ exit: 3 })
  await app.stop()
})

test('edit takes data without an editor, and asks whether to go on where what was saved is no JSON', async () => {
  const store = newStore()
  const { app } = await shopWith(store, { key: 'a', bad: true })
  await app.stop()
  const [letter] = await letters(store)
  const args = ['dead', 'edit', letter?.id ?? '', '--store', store]
  vi.stubEnv('VISUAL', 'echo x >')
  const terminal = fakeTerminal({ answer: false })
  expect(await run(args, terminal)).toBe(2)
  expect(terminal.questions).toEqual([expect.stringContaining('Edit it again?')])
  expect(await inProcess([...args, '--data', '{"key":"a"}'])).toMatchObject({ exit: 0 })
  expect(await letters(store)).toMatchObject([{ state: 'redriving', edited: true, event: { data: { key: 'a' } } }])
})

test('Ctrl-C at the question does nothing', async () => {
  const store = newStore()
  const { app } = await shopWith(store, { key: 'a', bad: true })
  await app.stop()
  const terminal = fakeTerminal({ answer: true })
  terminal.interrupt()
  expect(await run(['dead', 'drop', '--all', '--store', store], terminal)).toBe(130)
  expect(await letters(store)).toHaveLength(1)
})

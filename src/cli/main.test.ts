import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { sqlite } from '../engines/sqlite/index.ts'
import { defineEvent, hodisa, type RecordedEvent } from '../index.ts'
import { hodisaCommand, inProcess, jsonLines, newStore, outcomeOf, start } from './fixtures/command.ts'

// Processes are slow to start on a machine that is busy.

const Noted = defineEvent('note.taken')

async function filled(store: string, events: number): Promise<void> {
  await using app = await hodisa({ source: 'notes', store: sqlite(store), events: [Noted] })
  const text = 'x'.repeat(200)
  await app.publish(Array.from({ length: events }, (_, number) => Noted({ number, text })))
}

test('publishes, shows and lists an event: data on stdout, nothing on stderr', async () => {
  const store = newStore()
  const published = await hodisaCommand([
    'publish',
    'order.created',
    '{"total":5}',
    '--stream',
    'order-1',
    '--store',
    store,
  ])
  expect(published).toMatchObject({ exit: 0, err: '' })
  expect(published.out).toMatch(/^published order\.created evt_\w+ in order-1 @1\n$/)

  const list = await hodisaCommand(['events', 'list', '--json', '--store', `sqlite:${store}`])
  expect(list).toMatchObject({ exit: 0, err: '' })
  const [event, ...others] = jsonLines<RecordedEvent>(list.out)
  expect(others).toEqual([])
  expect(event).toMatchObject({ type: 'order.created', data: { total: 5 }, stream: 'order-1', revision: 1 })

  const get = await hodisaCommand(['events', 'get', event?.id ?? ''], { env: { HODISA_STORE: store } })
  expect(get).toMatchObject({ exit: 0, err: '' })
  expect(get.out).toContain('"total": 5')
  expect(get.out).toContain('order-1 @1')
})

test('takes the data from standard input and from a file', async () => {
  const store = newStore()
  const file = join(dirname(store), 'data.json')
  writeFileSync(file, '\uFEFF{"from":"file"}')
  const args = ['--store', store, '--json']
  expect(await hodisaCommand(['publish', 'a.b', '-', ...args], { input: '{"from":"input"}' })).toMatchObject({
    exit: 0,
  })
  expect(await hodisaCommand(['publish', 'a.b', `@${file}`, ...args])).toMatchObject({ exit: 0 })
  const { out } = await hodisaCommand(['events', 'list', ...args])
  expect(jsonLines<RecordedEvent>(out).map(({ data }) => data)).toEqual([{ from: 'input' }, { from: 'file' }])
})

test('an id is recorded once; other content under it is refused', async () => {
  const store = newStore()
  const publish = (data: string) => inProcess(['publish', 'a.b', data, '--id', 'once', '--json', '--store', store])
  expect(jsonLines((await publish('{"a":1}')).out)).toMatchObject([{ ids: ['once'], duplicate: false }])
  expect(jsonLines((await publish('{"a":1}')).out)).toMatchObject([{ ids: ['once'], duplicate: true }])
  const refused = await publish('{"a":2}')
  expect(refused).toMatchObject({ exit: 4, out: '' })
  expect(jsonLines(refused.err)).toMatchObject([{ error: { code: 'id-reused', fix: expect.any(String) } }])
})

test.each([
  ['an unknown command', 2, 'usage', ['fly']],
  ['an unknown option', 2, 'usage', ['events', 'list', '--wings']],
  ['a missing argument', 2, 'usage', ['events', 'get']],
  ['too many arguments', 2, 'usage', ['events', 'get', 'a', 'b']],
  ['a place that is none', 2, 'usage', ['events', 'list', '--from', 'yesterday']],
  ['a limit that is none', 2, 'usage', ['events', 'list', '--limit', '1.5']],
  ['a pattern that is none', 2, 'invalid-name', ['events', 'list', '--types', 'Order created']],
  ['a stream that is none', 2, 'invalid-name', ['events', 'list', '--stream', 'order']],
  ['data that is no JSON', 2, 'invalid-json', ['publish', 'a.b', '{']],
  ['data that is no object', 2, 'invalid-json', ['publish', 'a.b', '[1]']],
  ['a file that is not there', 2, 'invalid-json', ['publish', 'a.b', '@/no/such/file']],
  ['a number JSON cannot carry', 2, 'unserialisable-data', ['publish', 'a.b', '{"n":9007199254740993}']],
  ['a type that is none', 2, 'invalid-name', ['publish', 'Order Created', '{}']],
  ['a stream and a key', 2, 'stream-and-key', ['publish', 'a.b', '{}', '--stream', 'a-1', '--key', 'b']],
  ['an unknown event', 3, 'not-found', ['events', 'get', 'evt_none']],
  ['an unknown correlation', 3, 'not-found', ['trace', 'none']],
  ['an unknown service', 3, 'service-unknown', ['services', 'pause', 'none']],
  ['an unknown service to forget', 3, 'service-unknown', ['services', 'forget', 'none', '--yes']],
  ['an unknown dead letter', 3, 'dead-letter-unknown', ['dead', 'show', 'none']],
  ['nobody to confirm', 4, 'not-confirmed', ['dead', 'drop', 'none']],
  ['another engine', 2, 'store-unknown', ['events', 'list', '--store', 'mysql://user:secret@host/db']],
  ['a store that is not there', 5, 'store-missing', ['events', 'list', '--store', '/no/such/store.db']],
  ['no store', 2, 'no-store', ['events', 'list', '--store', '']],
])('%s exits %i with %s', async (_, exit, code, args) => {
  const store = newStore()
  await filled(store, 1)
  const human = await inProcess(['--store', store, ...args])
  expect(human).toMatchObject({ exit, out: '' })
  expect(human.err).toMatch(new RegExp(`^error ${code}: .+\\n.+\\n$`))
  expect(human.err).not.toContain('secret')
  const machine = await inProcess(['--store', store, ...args, '--json'])
  expect(machine).toMatchObject({ exit, out: '' })
  expect(jsonLines(machine.err)).toMatchObject([
    { error: { code, message: expect.any(String), fix: expect.any(String) } },
  ])
})

test('a file that is no store is said to be none, and stays as it was', async () => {
  const store = newStore()
  writeFileSync(store, 'Dear diary, this is no database. '.repeat(100))
  for (const args of [
    ['events', 'list'],
    ['publish', 'a.b', '{}'],
  ]) {
    const outcome = await inProcess([...args, '--store', store])
    expect(outcome).toMatchObject({ exit: 5, out: '' })
    expect(outcome.err).toMatch(/^error store-not-a-database: /)
  }
})

test('only publish makes a store', async () => {
  const store = newStore()
  for (const args of [['tail'], ['trace', 'x'], ['services', 'list'], ['dead', 'list'], ['events', 'get', 'x']]) {
    expect(await inProcess([...args, '--store', store])).toMatchObject({ exit: 5 })
  }
  expect(existsSync(store)).toBe(false)
})

test('help goes to stdout when asked for, else to stderr; it names the exit codes', async () => {
  const asked = await hodisaCommand(['--help'])
  expect(asked).toMatchObject({ exit: 0, err: '' })
  expect(asked.out).toContain('Exit codes:')
  expect(await inProcess(['publish', '--help'])).toMatchObject({
    exit: 0,
    out: expect.stringContaining('not validated'),
  })
  const missing = await inProcess([])
  expect(missing).toMatchObject({ exit: 2, out: '' })
  expect(missing.err).toContain('Usage: hodisa')
  expect((await inProcess(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/)
})

test('is quiet when nobody reads on', async () => {
  const store = newStore()
  await filled(store, 3_000)
  for (const args of [
    ['events', 'list'],
    ['events', 'list', '--json'],
    ['tail', '--from', 'start'],
  ]) {
    const child = start([...args, '--store', store])
    const [first] = await once(child.stdout ?? child, 'data')
    const ended = outcomeOf(child)
    child.stdout?.destroy()
    expect(String(first)).toContain('note.taken')
    expect(await ended).toMatchObject({ exit: 0, err: '' })
  }
})

test.skipIf(!existsSync('/dev/full'))('a full disk is no closed pipe', async () => {
  const store = newStore()
  await filled(store, 1)
  const full = openSync('/dev/full', 'w')
  const main = join(import.meta.dirname, 'main.ts')
  const child = spawn(process.execPath, [main, 'events', 'list', '--store', store], { stdio: ['ignore', full, 'pipe'] })
  closeSync(full)
  const { exit, err } = await outcomeOf(child)
  expect(err).toMatch(/^error output-failed: /)
  expect(exit).toBe(1)
})

test('tail goes on as events come, and Ctrl-C ends it cleanly', async () => {
  const store = newStore()
  await filled(store, 1)
  const child = start(['tail', '--from', 'start', '--json', '--types', 'note.*,call.*', '--store', store])
  const ended = outcomeOf(child)
  const line = async () => jsonLines(String((await once(child.stdout ?? child, 'data'))[0]))
  expect(await line()).toMatchObject([{ type: 'note.taken', position: 1 }])
  const next = line()
  await hodisaCommand(['publish', 'mail.sent', '{}', '--store', store])
  await hodisaCommand(['publish', 'call.made', '{}', '--store', store])
  expect(await next).toMatchObject([{ type: 'call.made' }])
  child.kill('SIGINT')
  expect(await ended).toMatchObject({ exit: 0, err: '' })
})

test('tail can end by itself, and keep to one source', async () => {
  const store = newStore()
  await inProcess(['publish', 'call.made', '{}', '--store', store])
  await filled(store, 3)
  const args = ['tail', '--from', 'start', '--source', 'notes', '--limit', '2', '--json', '--store', store]
  const { exit, out } = await inProcess(args)
  expect(exit).toBe(0)
  expect(jsonLines(out)).toMatchObject([{ position: 2 }, { position: 3 }])
})

test('lists by type, stream, place, correlation, from either end', async () => {
  const store = newStore()
  for (const [type, stream, trigger] of [
    ['order.created', 'order-1', 'one'],
    ['payment.taken', 'payment-1', 'one'],
    ['order.paid', 'order-1', 'one'],
    ['order.created', 'order-2', 'two'],
  ] as const) {
    await inProcess(['publish', type, '{}', '--stream', stream, '--correlation', trigger, '--store', store])
  }
  const list = async (...args: string[]) => {
    const { out } = await inProcess(['events', 'list', '--json', '--store', store, ...args])
    return jsonLines(out).map(({ position }) => position)
  }
  expect(await list('--types', 'order.*')).toEqual([1, 3, 4])
  expect(await list('--types', 'order.paid', '--types', 'payment.**')).toEqual([2, 3])
  expect(await list('--stream', 'order-1', '--from', '2')).toEqual([3])
  expect(await list('--from', '2', '--to', '3')).toEqual([2, 3])
  expect(await list('--correlation', 'two')).toEqual([4])
  expect(await list('--backwards', '--limit', '2')).toEqual([4, 3])
  expect(await list('--from', '1h')).toEqual([1, 2, 3, 4])
  expect(await list('--to', '2020-01-01')).toEqual([])
  expect(await list('--limit', '0')).toEqual([])
})

test('colours only where they are wanted', async () => {
  const store = newStore()
  await filled(store, 1)
  const colour = '\u001b['
  const args = ['events', 'list', '--store', store]
  expect((await hodisaCommand(args)).out).not.toContain(colour)
  expect((await hodisaCommand(args, { env: { FORCE_COLOR: '1' } })).out).toContain(colour)
  expect((await hodisaCommand(args, { env: { NO_COLOR: '1' } })).out).not.toContain(colour)
})

test('what was recorded cannot steer the screen', async () => {
  const store = newStore()
  const evil = '{"text":"\\u001b[2J\\u009b31m"}'
  await inProcess(['publish', 'a.b', evil, '--id', 'evil', '--store', store])
  for (const args of [['list'], ['get', 'evil']]) {
    const { out } = await inProcess(['events', ...args, '--store', store])
    expect(out.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
  }
})

test('an event published with --schema-version is recorded in that version', async () => {
  const store = newStore()
  await inProcess(['publish', 'user.created', '{}', '--schema-version', '3', '--kind', 'integration', '--store', store])
  const { out } = await inProcess(['events', 'list', '--json', '--store', store])
  expect(jsonLines(out)).toMatchObject([{ version: 3 }])
})

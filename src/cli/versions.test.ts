import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { sqlite } from '../engines/sqlite/index.ts'
import { defineEvent, hodisa, type RecordedEvent } from '../index.ts'
import { inProcess, jsonLines, newStore } from './fixtures/command.ts'

const MODULE = `import { defineEvent, dropped, splitInto } from '${import.meta.resolve('../index.ts')}'
const Greeted = defineEvent('user.greeted')
const Named = defineEvent('user.named', {
  version: 3,
  was: ['user.created'],
  stream: () => 'x',
  upcast: {
    1: ({ name }) => (name === '' ? dropped : { full: name }),
    2: ({ full }) => splitInto({ names: full.split(' ') }, Greeted({ full })),
  },
})
export { Greeted, Named }`

async function place() {
  const store = newStore()
  const module = join(dirname(store), 'events.ts')
  writeFileSync(module, MODULE)
  const Created = defineEvent('user.created', { stream: () => 'x' })
  await using app = await hodisa({ source: 'test', store: sqlite(store), events: [Created] })
  await app.publish([Created({ name: 'Ada Lovelace' }, { id: 'e1' }), Created({ name: '' }, { id: 'e2' })])
  const command = (...args: readonly string[]) => inProcess([...args, '--store', store])
  return { command, module, store }
}

test('with definitions, events are shown as handlers and readers see them', async () => {
  const { command, module, store } = await place()
  const { Named, Greeted } = await import(/* @vite-ignore */ module)
  await using app = await hodisa({ source: 'test', store: sqlite(store), events: [Named, Greeted] })
  const read = await Array.fromAsync(app.read())
  expect(read).toMatchObject([
    { id: 'e1', type: 'user.named', version: 3, data: { names: ['Ada', 'Lovelace'] }, position: 1, revision: 1 },
    { id: 'e1#2', type: 'user.greeted', version: 1, data: { full: 'Ada Lovelace' }, position: 1, revision: 1 },
  ])
  const listed = await command('events', 'list', '--json', '--events', module)
  expect(jsonLines<RecordedEvent>(listed.out)).toEqual(read)
  const tailed = await command('tail', '--from', 'start', '--limit', '2', '--json', '--events', module)
  expect(jsonLines<RecordedEvent>(tailed.out)).toEqual(read)
  const renamed = await command('events', 'list', '--types', 'user.named', '--json', '--events', module)
  expect(jsonLines<RecordedEvent>(renamed.out)).toEqual(read.slice(0, 1))
})

test('one event is shown with the name and the version that it was recorded under', async () => {
  const { command, module } = await place()
  const named = await command('events', 'get', 'e1', '--events', module)
  expect(named.out).toContain('user.named (version 3)')
  expect(named.out).toMatch(/recorded +user\.created \(version 1\)/)
  const part = await command('events', 'get', 'e1#2', '--events', module)
  expect(part.out).toContain('user.greeted (version 1)')
  expect(part.out).toMatch(/recorded +user\.created \(version 1\)/)
  const dropped = await command('events', 'get', 'e2', '--events', module)
  expect(dropped).toMatchObject({ exit: 0, out: expect.stringContaining('user.created (version 1)') })
  expect(await command('events', 'get', 'e3', '--events', module)).toMatchObject({ exit: 3 })
})

test('without definitions, events are shown as they were recorded', async () => {
  const { command } = await place()
  const { out } = await command('events', 'list', '--json')
  expect(jsonLines<RecordedEvent>(out)).toMatchObject([
    { id: 'e1', type: 'user.created', version: 1, data: { name: 'Ada Lovelace' } },
    { id: 'e2', type: 'user.created', version: 1, data: { name: '' } },
  ])
})

test('publish knows no schemas, with definitions or without', async () => {
  const { command, module } = await place()
  const outcome = await command('publish', 'user.named', '{"names":[]}', '--schema-version', '3', '--events', module)
  expect(outcome).toMatchObject({ exit: 0 })
})

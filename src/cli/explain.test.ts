import { expect, test } from 'vitest'
import { sqlite } from '../engines/sqlite/index.ts'
import { type Explanation, hodisa } from '../index.ts'
import { inProcess, jsonLines, newStore } from './fixtures/command.ts'

test('explains the services that the store knows, for people and as JSON', async () => {
  const store = newStore()
  const app = await hodisa({ source: 'shop', store: sqlite(store) })
  app.service('email').on('order.*', () => undefined)
  await app.start()
  await app.services.pause('email', 'a \u001b[31mred herring')
  const human = await inProcess(['explain', '--store', store])
  const json = await inProcess(['explain', '--json', '--store', store])
  await app.stop()
  expect(human).toMatchObject({ exit: 0, err: '' })
  expect(human.out).toContain('service email (paused, 1 instance)')
  expect(human.out).toContain('WARNING service-paused: it is paused: a \\u001b[31mred herring')
  const [explanation] = jsonLines<Explanation>(json.out)
  expect(explanation).toMatchObject({
    store: { engine: 'sqlite', location: store },
    services: [{ service: 'email', defined: false, state: 'paused', instances: 1 }],
  })
})

test('an empty store has nothing to explain', async () => {
  const store = newStore()
  await (await hodisa({ source: 'shop', store: sqlite(store) })).stop()
  expect(await inProcess(['explain', '--store', store])).toMatchObject({
    exit: 0,
    out: expect.stringContaining('no services'),
  })
})

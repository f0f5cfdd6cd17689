import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { sqlite } from '../engines/sqlite/index.ts'
import { defineEvent, hodisa } from '../index.ts'
import { describeOnPostgres, postgresPlace } from '../testing/postgres/fixtures/place.ts'
import { hodisaCommand, inProcess, jsonLines, newStore, outcomeOf, start } from './fixtures/command.ts'

// Processes are slow to start on a machine that is busy.

const Noted = defineEvent('note.taken')

async function filled(store: string, events: number): Promise<void> {
  await using app = await hodisa({ source: 'notes', store: sqlite(store), events: [Noted], durability: 'os' })
  const text = 'x'.repeat(300)
  for (let from = 0; from < events; from += 5_000) {
    const count = Math.min(5_000, events - from)
    await app.publish(Array.from({ length: count }, (_, number) => Noted({ number: from + number, text })))
  }
}

test('copies a store, says what it copied, and refuses to do it again', async () => {
  const [from, to] = [newStore(), newStore()]
  await filled(from, 3)
  const copied = await hodisaCommand(['copy', '--from', from, '--to', to, '--json'])
  expect(copied).toMatchObject({ exit: 0, err: '' })
  expect(jsonLines(copied.out)).toMatchObject([{ position: 3, events: 3, resumed: false }])
  const [there, here] = [to, from].map((store) => inProcess(['events', 'list', '--json', '--store', store]))
  expect((await there)?.out).toBe((await here)?.out)
  expect(await inProcess(['copy', '--from', from, '--to', to])).toMatchObject({
    exit: 4,
    out: '',
    err: expect.stringContaining('error copy-refused: the target is a finished copy of this store'),
  })
})

test('what is not there is not copied, and nothing is made for it', async () => {
  const [from, to] = [newStore(), newStore()]
  expect(await inProcess(['copy', '--from', from, '--to', to])).toMatchObject({
    exit: 5,
    err: expect.stringContaining('store-missing'),
  })
  expect(await inProcess(['events', 'list', '--store', to])).toMatchObject({ exit: 5 })
  expect(await inProcess(['copy', '--to', to])).toMatchObject({ exit: 2 })
})

describeOnPostgres('moving house', () => {
  test('a copy that is killed again and again is gone on with, and ends with the same events', async () => {
    const from = newStore()
    await filled(from, 40_000)
    const { location, dispose } = await postgresPlace()
    onTestFinished(dispose)
    const args = ['copy', '--from', from, '--to', location, '--json']
    for (let kill = 0; kill < 3; kill++) {
      const child = start(args)
      const ended = outcomeOf(child)
      const placed = async () => {
        const last = await inProcess(['events', 'list', '--backwards', '--limit', '1', '--json', '--store', location])
        return jsonLines<{ position: number }>(last.out)[0]?.position ?? 0
      }
      await expect.poll(placed, { timeout: 60_000, interval: 5 }).toBeGreaterThan(kill * 8_000)
      child.kill('SIGKILL')
      await ended
    }
    const { exit, out, err } = await hodisaCommand(args)
    expect({ exit, err }).toMatchObject({ exit: 0 })
    expect(jsonLines(out)).toMatchObject([{ events: 40_000, position: 40_000, resumed: true }])
  })

  test.runIf(process.platform !== 'win32')('Ctrl-C ends it between two pages, and says how to go on', async () => {
    const from = newStore()
    await filled(from, 20_000)
    const { location, dispose } = await postgresPlace()
    onTestFinished(dispose)
    const child = start(['copy', '--from', from, '--to', location])
    const ended = outcomeOf(child)
    if (child.stderr !== null) await once(child.stderr, 'data')
    child.kill('SIGINT')
    const outcome = await ended
    expect(outcome).toMatchObject({ exit: 130, out: '' })
    expect(outcome.err).toContain('the same command goes on with it')
    expect(await hodisaCommand(['copy', '--from', from, '--to', location])).toMatchObject({ exit: 0 })
  })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { RecordingLogger } from '../../delivery/fixtures/recording-logger.ts'
import { defineEvent, HodisaError, hodisa, unchecked } from '../../index.ts'
import { sqlite } from './index.ts'

const Noted = defineEvent('thing.noted', { schema: unchecked<{ key: string; n: number }>(), stream: ({ key }) => key })

async function openedOn(file: string) {
  const app = await hodisa({ source: 'test', store: sqlite(file), events: [Noted], logger: new RecordingLogger() })
  onTestFinished(() => app.stop())
  return app
}

function place() {
  const folder = mkdtempSync(join(tmpdir(), 'hodisa-damaged-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return join(folder, 'store.db')
}

function damage(file: string, sql: string, ...values: unknown[]) {
  const database = new Database(file)
  database.prepare(sql).run(...values)
  database.close()
}

test('an event that somebody wrote over is parked with its position; all other keys go on', async () => {
  const file = place()
  const writer = await openedOn(file)
  await writer.publish([0, 1, 2, 3, 4, 5].map((n) => Noted({ key: `k${n % 3}`, n })))
  damage(file, 'update hodisa_events set data = ? where position = 2', '{"key":"k1",')
  damage(file, 'update hodisa_events set metadata = ? where position = 3', 'not json')
  const app = await openedOn(file)
  const handled: number[] = []
  app.service('s', { from: 'start', concurrency: 3 }).on(Noted, ({ data }) => void handled.push(data.n))
  await app.start()
  await app.settled()
  expect(handled).toEqual([0, 3])
  const parked = await app.services.list()
  expect(parked).toMatchObject([{ parked: 2, retrying: 0 }])
  const reading = (async () => {
    for await (const _ of app.read());
  })()
  await expect(reading).rejects.toMatchObject({ code: 'store-corrupt', details: { position: 2 } })
})

test('damaged state of a service is a typed error that names the column', async () => {
  const columns = fc.constantFrom('subscriptions', 'members', 'breakers')
  await fc.assert(
    fc.asyncProperty(columns, fc.string(), async (column, text) => {
      fc.pre(!isJson(text))
      const file = place()
      const first = await openedOn(file)
      first.service('s').on(Noted, () => undefined)
      await first.start()
      await first.stop()
      damage(file, `update hodisa_groups set ${column} = ?`, text)
      const app = await openedOn(file)
      const refused = await app.services.list().then(
        () => undefined,
        (error: unknown) => error,
      )
      expect(refused).toBeInstanceOf(HodisaError)
      expect(refused).toMatchObject({ code: 'store-corrupt', details: { column } })
      await app.stop()
    }),
    { numRuns: 10 },
  )
})

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { RecordingLogger } from '../../delivery/fixtures/recording-logger.ts'
import { defineEvent, hodisa, unchecked } from '../../index.ts'
import { describeOnPostgres, type PostgresPlace, postgresPlace } from '../../testing/postgres/fixtures/place.ts'
import { postgres } from './index.ts'

const Noted = defineEvent('thing.noted', { schema: unchecked<{ key: string; n: number }>(), stream: ({ key }) => key })

async function openedOn({ url, schema }: PostgresPlace) {
  const store = postgres(url, { schema })
  const app = await hodisa({ source: 'test', store, events: [Noted], logger: new RecordingLogger() })
  onTestFinished(() => app.stop())
  return app
}

async function damage({ url, schema }: PostgresPlace, assignment: string, position: number) {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(
    `update ${schema}.events e set ${assignment} from ${schema}.log l where l.batch = e.batch and l.position + e.ordinal = $1`,
    [position],
  )
  await client.end()
}

describeOnPostgres('a row that somebody wrote over', () => {
  test('is parked with its position; all other keys go on', async () => {
    const place = await postgresPlace()
    onTestFinished(() => place.dispose())
    const writer = await openedOn(place)
    await writer.publish([0, 1, 2, 3, 4, 5].map((n) => Noted({ key: `k${n % 3}`, n })))
    expect(await Array.fromAsync(writer.read())).toHaveLength(6)
    await damage(place, `data = '{"key":"k1",'`, 2)
    await damage(place, `metadata = 'not json'`, 3)
    const app = await openedOn(place)
    const handled: number[] = []
    app.service('s', { from: 'start', concurrency: 3 }).on(Noted, ({ data }) => void handled.push(data.n))
    await app.start()
    await app.settled()
    expect(handled.sort()).toEqual([0, 3])
    expect(await app.services.list()).toMatchObject([{ parked: 2, retrying: 0 }])
    await expect(Array.fromAsync(app.read())).rejects.toMatchObject({ code: 'store-corrupt', details: { position: 2 } })
  })
})

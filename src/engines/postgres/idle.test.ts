import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { Noted } from '../../delivery/fixtures/events.ts'
import { until } from '../../delivery/fixtures/until.ts'
import { describeOnPostgres, postgresPlace } from '../../testing/postgres/fixtures/place.ts'
import { appOn } from './fixtures/own-server.ts'

const SERVICES = 5
/** In which everything that is done now and then is done once. */
const SECONDS = 10

describeOnPostgres('a process with nothing to do', () => {
  test(`sends fewer than 5 statements a second for ${SERVICES} services, and hears of events at once`, async () => {
    const { url, schema, dispose } = await postgresPlace()
    onTestFinished(dispose)
    const pool = new Pool({ connectionString: url, max: 8 })
    onTestFinished(() => pool.end())
    const sent: string[] = []
    pool.on('connect', (client) => {
      const query = client.query.bind(client)
      const counted = (statement: { readonly text: string }) => {
        sent.push(statement.text)
        return query(statement)
      }
      Object.assign(client, { query: counted })
    })
    const app = await appOn(pool, { schema })
    const handled: number[] = []
    for (let n = 0; n < SERVICES; n++) {
      app.service(`service-${n}`, { from: 'start' }).on(Noted, ({ data }) => void handled.push(data.n))
    }
    await app.start()
    await app.publish(Noted({ key: 'a', n: 0 }))
    await app.settled()
    // Shares are settled by then.
    const beats = () => sent.filter((text) => text.includes('beats = beats + 1')).length
    await until(() => beats() >= 8)
    const before = sent.length
    await delay(SECONDS * 1_000)
    // A slow machine sends fewer.
    const counts = Map.groupBy(sent.slice(before), (text) => text.slice(0, 60))
    const perSecond = (sent.length - before) / SECONDS
    expect(perSecond, [...counts].map(([text, all]) => `${all.length}: ${text}`).join('\n')).toBeLessThan(5)
    await (await appOn(url, { schema })).publish(Noted({ key: 'a', n: 1 }))
    await until(() => handled.filter((n) => n === 1).length === SERVICES)
  }, 40_000)
})

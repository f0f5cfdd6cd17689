import { Client } from 'pg'
import { test } from 'vitest'
import { conformance, type Held } from '../../store/conformance/index.ts'
import type { AppendRequest } from '../../store/events.ts'
import type { StoreHost } from '../../store/port.ts'
import { describeOnPostgres, type PostgresPlace, postgresPlace } from '../../testing/postgres/fixtures/place.ts'
import { postgres } from './index.ts'

conformance({
  name: 'postgres',
  describe: describeOnPostgres,
  test: (name, body) => test(name, body, 30_000),
  async open() {
    const place = await postgresPlace()
    return {
      connect: (host) => postgres(place.url, { schema: place.schema }).open(host),
      hold: (request, host) => hold(place, request, host),
      dispose: () => place.dispose(),
    }
  },
})

/** A transaction of the user's own, with an outbox. */
async function hold({ url, schema }: PostgresPlace, request: AppendRequest, host: StoreHost): Promise<Held> {
  const store = await postgres(url, { schema }).open(host)
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query('begin')
  await store.outbox(client).append(request)
  const end = async (how: 'commit' | 'rollback') => {
    await client.query(how)
    await client.end()
    await store.close()
  }
  return { commit: () => end('commit'), rollback: () => end('rollback') }
}

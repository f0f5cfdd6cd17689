import { test } from 'vitest'
import { conformance } from '../../store/conformance/index.ts'
import { describeOnPostgres, postgresPlace } from '../../testing/postgres/fixtures/place.ts'
import { holdOutbox } from './fixtures/hold-outbox.ts'
import { postgres } from './index.ts'

conformance({
  name: 'postgres',
  describe: describeOnPostgres,
  test: (name, body) => test(name, body, 30_000),
  async open() {
    const place = await postgresPlace()
    return {
      connect: (host) => postgres(place.url, { schema: place.schema }).open(host),
      hold: (request, host) => holdOutbox(place, request, host),
      dispose: () => place.dispose(),
    }
  },
})

import { expect, test } from 'vitest'
import { hostAt } from '../../store/conformance/suite.ts'
import { describeOnPostgres, postgresPlace } from '../../testing/postgres/fixtures/place.ts'
import { schemaDump } from './fixtures/schema-dump.ts'
import { postgres } from './index.ts'

describeOnPostgres('the schema', () => {
  test('is the one that was reviewed: what changes here changes in schema.dump.txt too', async () => {
    const { url, schema, dispose } = await postgresPlace()
    const store = await postgres(url, { schema }).open(hostAt({ now: 0 }))
    await store.close()
    const dump = await schemaDump(url, schema)
    await expect(dump).toMatchFileSnapshot('schema.dump.txt')
    await dispose()
  })
})

import { expect, test } from 'vitest'
import { ORDERS, put } from '../../store/conformance/document-values.ts'
import type { DocumentQuery } from '../../store/documents.ts'
import { describeOnPostgres } from '../../testing/postgres/fixtures/place.ts'
import type { Table } from './collections.ts'
import { searchOf } from './document-query.ts'
import { documentStores } from './fixtures/document-stores.ts'
import { namesFor } from './names.ts'

const COUNT = 3_000
const AFTER = { key: '01500', id: 'id1500' }

describeOnPostgres('finding documents on PostgreSQL', () => {
  test('walks an index and sorts nothing, whether or not the server has statistics', async () => {
    const { one, client, schema } = await documentStores()
    await client.query(`alter table ${schema}.documents_1 set (autovacuum_enabled = off)`)
    const key = (n: number) => `${n}`.padStart(5, '0')
    const documents = Array.from({ length: COUNT }, (_, n) => put(`id${n}`, { total: key(n), user: key(n % 300) }))
    await one.documents.write(documents)
    const table: Table = { name: ORDERS, number: 1, indexes: ['total', 'user'], shape: '["total","user"]' }
    const queries: readonly [index: string, query: Partial<DocumentQuery>][] = [
      ['pkey', {}],
      ['pkey', { after: { id: 'id5' }, orderBy: { descending: true } }],
      ['by_k1', { orderBy: { index: 'total' } }],
      ['by_k1', { orderBy: { index: 'total' }, after: AFTER }],
      ['by_k1', { orderBy: { index: 'total', descending: true }, after: AFTER }],
      ['by_k1', { orderBy: { index: 'total' }, where: [{ index: 'total', is: 'prefix', key: '012' }] }],
      ['by_k2', { orderBy: { index: 'user' }, where: [{ index: 'user', is: 'eq', key: key(7) }] }],
      ['by_k2', { orderBy: { index: 'user' }, where: [{ index: 'user', is: 'gte', key: key(7) }], after: AFTER }],
      ['by_k2', { where: [{ index: 'user', is: 'eq', key: key(7) }] }],
    ]
    for (const statistics of [false, true]) {
      if (statistics) await client.query(`analyze ${schema}.documents_1`)
      for (const [index, query] of queries) {
        const { text, values } = searchOf(table, { limit: 5, ...query })
        const { rows } = await client.query({
          text: `explain ${namesFor(schema)(text)}`,
          values: [...values],
          rowMode: 'array',
        })
        const plan = rows.join('\n')
        expect(plan, JSON.stringify(query)).toMatch(new RegExp(`Index Scan( Backward)? using documents_1_${index} `))
        expect(plan, JSON.stringify(query)).not.toMatch(/Sort|Seq Scan on documents_1/)
      }
    }
  })
})

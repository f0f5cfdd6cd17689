import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { failure, until } from '../../delivery/fixtures/until.ts'
import { dataOf, idsOf, noDocument, ORDERS, put, removal } from '../../store/conformance/document-values.ts'
import { anEvent, append } from '../../store/conformance/events.ts'
import { gate, hostAt } from '../../store/conformance/suite.ts'
import type { Store } from '../../store/port.ts'
import { newName } from '../../testing/postgres/databases.ts'
import { describeOnPostgres, postgresPlace } from '../../testing/postgres/fixtures/place.ts'
import { documentStores } from './fixtures/document-stores.ts'
import { postgres } from './index.ts'

const TOTAL_OF = (total: string) => ({ where: [{ index: 'total', is: 'eq', key: total }] }) as const

describeOnPostgres('a collection that another process changes', () => {
  test('is known anew by whoever used it before it was dropped and made again', async () => {
    const { one, other } = await documentStores()
    for (const use of uses(one)) {
      await use()
      await other.documents.drop(ORDERS)
      await expect(use()).rejects.toMatchObject({ code: 'collection-unknown' })
      await other.documents.define({ name: ORDERS, indexes: ['user', 'total', 'extra'] })
      await use()
      await other.documents.drop(ORDERS)
      await other.documents.define({ name: ORDERS, indexes: ['total'] })
      await use()
    }
  })

  test('and in whose transactions it was dropped, goes on after the refusal', async () => {
    const { one, other } = await documentStores()
    await one.documents.write([put('a')])
    await other.documents.define({ name: 'kept', indexes: [] })
    await one.documents.write([{ collection: 'kept', id: 'x', data: '0' }])
    await other.documents.drop(ORDERS)
    await one.transaction(async ({ documents }) => {
      const both = [{ collection: 'kept', id: 'x', data: '1' }, put('a')]
      expect(await failure(() => documents.write(both))).toMatchObject({ code: 'collection-unknown' })
      expect(await failure(() => documents.get(ORDERS, ['a']))).toMatchObject({ code: 'collection-unknown' })
      expect([...(await documents.get('kept', ['x']))]).toEqual([['x', '0']])
      await documents.write([{ collection: 'kept', id: 'y', data: '2' }])
    })
    expect([...(await other.documents.get('kept', ['x', 'y']))]).toEqual([
      ['x', '0'],
      ['y', '2'],
    ])
  })

  test('has its new indexes at once, in what is found and in what is replaced', async () => {
    const { one, other } = await documentStores()
    await one.documents.write([put('a', { total: '1' }), put('b', { total: '1' }), put('c', { total: '1' })])
    await other.documents.define({ name: ORDERS, indexes: ['extra'] })
    await other.documents.write(['a', 'b', 'c'].map((id) => put(id, { total: '1', extra: 'x' })))
    expect(await one.documents.find(ORDERS, { limit: 1 })).toMatchObject([{ keys: { total: '1', extra: 'x' } }])
    await other.documents.define({ name: ORDERS, indexes: ['more'] })
    await other.documents.write([put('a', { total: '1', more: 'x' }), put('b', { total: '1', more: 'x' })])
    // The replacement by a process that does not know of the key leaves it out as any other does.
    await one.documents.write([put('a', { total: '2' })])
    expect(await idsOf(one, { where: [{ index: 'more', is: 'eq', key: 'x' }] })).toEqual(['b'])
  })

  test('is not dropped under a transaction that uses it', async () => {
    const { one, other, waiting } = await documentStores()
    const used = gate()
    const ended = gate()
    const order: string[] = []
    const transaction = one.transaction(async ({ documents }) => {
      await documents.get(ORDERS, ['a'])
      used.open()
      await ended.opened
      await documents.write([put('a')])
      order.push('written')
    })
    await used.opened
    const dropped = other.documents.drop(ORDERS).then(() => order.push('dropped'))
    await until(async () => (await waiting()) === 1)
    ended.open()
    await Promise.all([transaction, dropped])
    expect(order).toEqual(['written', 'dropped'])
    expect(await one.documents.list()).toEqual([])
  })

  test('is not dropped under a write to several, of which another one has to be waited for', async () => {
    const { one, other, client, schema, waiting } = await documentStores()
    await one.documents.define({ name: 'before.it', indexes: [] })
    const several = [{ collection: 'before.it', id: 'x', data: '1' }, put('a')]
    await one.documents.write(several)
    await client.query(`begin; select from ${schema}.documents_2 for update`)
    const written = one.documents.write(several)
    await until(async () => (await waiting()) === 1)
    const dropped = other.documents.drop(ORDERS)
    await until(async () => (await waiting()) === 2)
    await client.query('commit')
    await Promise.all([written, dropped])
    expect((await one.documents.list()).map(({ name }) => name)).toEqual(['before.it'])
  })

  test('cannot be made by a user who may not make tables, and the error says so', async () => {
    const { url, schema, client } = await documentStores()
    const role = newName('role_')
    await client.query(`create role ${role} login password '${role}'`)
    onTestFinished(async () => {
      const own = new Client({ connectionString: url })
      await own.connect()
      await own.query(`drop owned by ${role}; drop role ${role}`)
      await own.end()
    })
    await client.query(`grant usage on schema ${schema} to ${role}`)
    for (const what of ['tables', 'sequences']) {
      await client.query(`grant all on all ${what} in schema ${schema} to ${role}`)
    }
    const their = new URL(url)
    their.username = role
    their.password = role
    const store = await postgres(their.href, { schema }).open(hostAt({ now: 0 }))
    onTestFinished(() => store.close())
    await store.documents.define({ name: ORDERS, indexes: ['total'] })
    await store.documents.write([put('a')])
    for (const collection of [
      { name: 'other', indexes: [] },
      { name: ORDERS, indexes: ['extra'] },
    ]) {
      expect(await failure(() => store.documents.define(collection))).toMatchObject({
        code: 'store-denied',
        message: expect.stringContaining('may not make or change tables'),
      })
    }
    expect(await failure(() => store.documents.drop(ORDERS))).toMatchObject({ code: 'store-denied' })
    expect(await idsOf(store)).toEqual(['a'])
  })
})

describeOnPostgres('documents in a transaction on PostgreSQL', () => {
  test.each([
    ['missing', 3, false],
    ['standing', 3, true],
    ['many that are missing', 120, false],
    ['very many that are missing', 300, false],
    ['many that stand', 300, true],
  ] as const)('keep every other writer waiting: %s', async (_, count, standing) => {
    const { one, other, waiting } = await documentStores()
    const ids = Array.from({ length: count }, (_, index) => `id${index}`)
    if (standing) await one.documents.write(ids.map((id) => put(id, {}, '"before"')))
    const seen = gate()
    const ended = gate()
    const transaction = one.transaction(async ({ documents }) => {
      const found = await documents.get(ORDERS, ids)
      seen.open()
      await ended.opened
      expect(await documents.get(ORDERS, ids)).toEqual(found)
      await documents.write(ids.map((id) => put(id, {}, found.get(id) ?? '"first"')))
    })
    await seen.opened
    const blind = other.documents.write([put('free'), put('id1', {}, '"last"')])
    const second = other.transaction(async ({ documents }) => {
      const before = (await documents.get(ORDERS, ['id2'])).get('id2')
      await documents.write([put('id2', {}, `${before} + 1`)])
    })
    await until(async () => (await waiting()) === 2)
    ended.open()
    await Promise.all([transaction, blind, second])
    const kept = standing ? '"before"' : '"first"'
    expect(await dataOf(one, 'id0', 'id1', 'id2')).toEqual([kept, '"last"', `${kept} + 1`])
  })

  test('neither deadlock nor lose a change, whatever they touch, make and remove', async () => {
    const { one, other } = await documentStores()
    const id = fc.integer({ min: 0, max: 15 }).map((n) => `id${n}`)
    const ids = fc.uniqueArray(id, { minLength: 1, maxLength: 8 })
    const steps = fc.sample(fc.record({ ids, removed: fc.uniqueArray(id, { maxLength: 2 }) }), {
      numRuns: 200,
      seed: 7,
    })
    const counts = new Map<string, number>()
    const lane = async (number: number) => {
      const store = number % 2 ? one : other
      for (const [index, { ids, removed }] of steps.entries()) {
        if (index % 8 !== number) continue
        await store.transaction(async ({ documents }) => {
          const found = await documents.get(ORDERS, ids)
          await documents.write(ids.map((id) => put(id, { total: id }, `${Number(found.get(id) ?? 0) + 1}`)))
        })
        for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1)
        await store.documents.write([...removed.map((id) => removal(`x${id}`)), ...ids.map((id) => put(`x${id}`))])
      }
    }
    await Promise.all(Array.from({ length: 8 }, (_, number) => lane(number)))
    const expected = [...counts].map(([, count]) => `${count}`)
    expect(await dataOf(one, ...counts.keys())).toEqual(expected)
  })

  test('of the user are written by an outbox on any connection, and conditions hold there', async () => {
    const { one, other, client } = await documentStores()
    // As a driver that knows no types gives them: all text, by name.
    const asText = (value: unknown) =>
      typeof value === 'object' && value !== null ? JSON.stringify(value) : `${value}`
    const bare = {
      async query(text: string, values?: unknown[]) {
        const { rows } = await client.query<Record<string, unknown>>(text, values)
        return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, asText(value)])))
      },
    }
    const request = {
      ...append(anEvent({ stream: 'order-1' }), [noDocument('a')]),
      documents: [put('a', { user: 'x' })],
    }
    await other.documents.define({ name: ORDERS, indexes: ['extra'] })
    await client.query('begin')
    await one.outbox(bare).append(request)
    const again = { ...append(anEvent({ stream: 'order-1' }), [noDocument('a')]), documents: [removal('a'), put('b')] }
    expect(await failure(async () => one.outbox(bare).append(again))).toMatchObject({ code: 'document-exists' })
    await one.outbox(bare).append({ ...again, conditions: [] })
    expect(await idsOf(other)).toEqual([])
    await client.query('commit')
    expect(await idsOf(other)).toEqual(['b'])
  })

  test('that are held are not waited for by the removal of what has expired', async () => {
    const { one, other } = await documentStores()
    await one.documents.write(['a', 'b'].map((id) => ({ ...put(id), expiresAt: 1_000 })))
    await one.transaction(async ({ documents }) => {
      await documents.get(ORDERS, ['a'])
      expect(await other.expire(1_000.5)).toBe(1)
    })
    expect(await idsOf(one)).toEqual(['a'])
    expect(await other.expire(1_000)).toBe(1)
  })
})

describeOnPostgres('what PostgreSQL cannot keep', () => {
  test('is refused as an id, and not found', async () => {
    const { one } = await documentStores()
    for (const id of ['a\0b', '\ud800', 'x'.repeat(3_000)]) {
      expect(await failure(() => one.documents.write([put('good'), put(id, {}, '1')]))).toMatchObject({
        code: 'invalid-name',
        details: { collection: ORDERS },
      })
      expect(await failure(() => one.transaction((tx) => tx.documents.write([put(id, {}, '1')])))).toMatchObject({
        code: 'invalid-name',
      })
      expect(await one.documents.get(ORDERS, [id])).toEqual(new Map())
      await one.transaction(async (tx) => expect(await tx.documents.get(ORDERS, [id])).toEqual(new Map()))
    }
    expect(await idsOf(one)).toEqual([])
  })

  test('is refused as a key and as data', async () => {
    const { one } = await documentStores()
    for (const write of [put('a', { total: 'x\0' }), put('a', { total: 'x'.repeat(3_000) }), put('a', {}, '\0')]) {
      expect(await failure(() => one.documents.write([write]))).toMatchObject({ code: 'invalid-option' })
    }
    expect(await failure(() => one.documents.find(ORDERS, { ...TOTAL_OF('\0'), limit: 1 }))).toMatchObject({
      code: 'invalid-option',
    })
    // Random, so that the server cannot make it shorter.
    const longest = randomBytes(1_299).toString('hex')
    await one.documents.write([put('a', { total: longest })])
    expect(await idsOf(one, TOTAL_OF(longest))).toEqual(['a'])
  })

  test('but for a lone surrogate in a key or in data, which UTF-8 does not have', async () => {
    const { one } = await documentStores()
    await one.documents.write([put('a', { total: '\ud800' }, '"\ud800"')])
    expect(await one.documents.find(ORDERS, { ...TOTAL_OF('\udfff'), limit: 1 })).toEqual([
      { id: 'a', data: '"\ufffd"', keys: { total: '\ufffd' } },
    ])
  })
})

describeOnPostgres('two stores in one database', () => {
  test('keep their documents and their locks apart', async () => {
    const { one, url, other: same } = await documentStores()
    const place = await postgresPlace()
    const apart = await postgres(url, { schema: place.schema }).open(hostAt({ now: 0 }))
    onTestFinished(async () => {
      await apart.close()
      await place.dispose()
    })
    await expect(apart.documents.get(ORDERS, ['a'])).rejects.toMatchObject({ code: 'collection-unknown' })
    await apart.documents.define({ name: ORDERS, indexes: ['user'] })
    await one.documents.write([put('a', { total: '1' }, '1')])
    await one.transaction(async ({ documents }) => {
      await documents.get(ORDERS, ['a', 'b'])
      await apart.transaction(async (tx) => {
        expect(await tx.documents.get(ORDERS, ['a', 'b'])).toEqual(new Map())
        await tx.documents.write([put('a', { user: 'x' }, '2'), put('b')])
      })
    })
    expect(await dataOf(same, 'a', 'b')).toEqual(['1', undefined])
    expect(await apart.documents.find(ORDERS, { limit: 1 })).toEqual([{ id: 'a', data: '2', keys: { user: 'x' } }])
    await one.documents.drop(ORDERS)
    expect(await apart.documents.list()).toEqual([{ name: ORDERS, indexes: ['user'] }])
    expect(await idsOf(apart)).toEqual(['a', 'b'])
  })
})

function uses(store: Store): (() => Promise<unknown>)[] {
  return [
    () => store.documents.get(ORDERS, ['a']),
    () => store.documents.find(ORDERS, { ...TOTAL_OF('1'), orderBy: { index: 'total' }, limit: 1 }),
    () => store.documents.count(ORDERS, TOTAL_OF('1').where),
    async () => {
      await store.documents.write([put('a', { total: '1' })])
      expect(await idsOf(store, TOTAL_OF('1'))).toEqual(['a'])
    },
    () => store.transaction((tx) => tx.documents.get(ORDERS, ['a'])),
    async () => {
      await store.transaction((tx) => tx.documents.write([put('a', { total: '1' })]))
      expect(await idsOf(store, TOTAL_OF('1'))).toEqual(['a'])
    },
  ]
}

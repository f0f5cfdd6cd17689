import { readFileSync } from 'node:fs'
import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { type AnyEventDefinition, defineEvent, hodisa, type Logger, PermanentError } from '../../index.ts'
import { hostAt } from '../../store/conformance/suite.ts'
import { describeOnPostgres, postgresPlace } from '../../testing/postgres/fixtures/place.ts'
import { postgres } from './index.ts'

const Created = defineEvent('order.created')
const Sent = defineEvent('receipt.sent')
const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} }
const page = readFileSync(new URL('../../../docs/postgres.md', import.meta.url), 'utf8')

/** The statements under a heading of docs/postgres.md, for other names. */
function statements(heading: string, names: Readonly<Record<string, string>>): string {
  const [, rest = ''] = page.split(`### ${heading}\n`)
  const [, sql = ''] = /```sql\n([\s\S]*?)```/.exec(rest) ?? []
  expect(sql, heading).not.toBe('')
  return Object.entries(names).reduce((text, [from, to]) => text.replaceAll(from, to), sql)
}

/** A store whose schema one role owns, and another role that may do what the documents grant it. */
async function withRoles({ views = false } = {}) {
  const { url, schema, dispose } = await postgresPlace()
  const [owner, user] = [`${schema}_owner`, `${schema}_app`]
  const admin = await connected(url)
  const database = String((await admin.query('select current_database() as name')).rows[0]?.name)
  const names = { shop_owner: owner, shop_app: user, 'database shop': `database ${database}`, hodisa: schema }
  await admin.query(statements('Two roles', names))
  onTestFinished(async () => {
    await dispose()
    await admin.query(`drop owned by ${owner}, ${user}; drop role ${owner}, ${user}`)
    await admin.end()
  })
  const as = (role: string) => {
    const own = new URL(url)
    own.username = role
    return own.href
  }
  await (await hodisa({ source: 'migration', store: postgres(as(owner), { schema }), logger: quiet })).stop()
  const owning = await connected(as(owner))
  onTestFinished(() => owning.end())
  await owning.query(statements('What a running program needs', names))
  if (views) await owning.query(statements('What views and aggregates need', names))
  const open = <const Definitions extends readonly AnyEventDefinition[]>(events: Definitions) =>
    hodisa({ source: 'shop', store: postgres(as(user), { schema, migrate: false }), events, logger: quiet })
  return { schema, owning, url: as(user), user, open }
}

async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  await client.connect()
  return client
}

describeOnPostgres('a user with no more rights than the documents say', () => {
  test('publishes, reads, runs services, parks and redrives, and has an outbox', async () => {
    const { open, url } = await withRoles()
    const app = await open([Created, Sent])
    onTestFinished(() => app.stop())
    const numbers: unknown[] = []
    let failing = true
    app.service('email', { from: 'start' }).on(Created, async ({ data }, ctx) => {
      if (failing && data.number === 1) throw new PermanentError('no such address')
      await ctx.commit(async (tx) => void tx.publish(Sent({ number: data.number })))
      numbers.push(data.number)
    })
    await app.start()
    await app.publish([Created({ number: 1 }), Created({ number: 2 }, { id: 'two', stream: 'order-2' })])
    const client = await connected(url)
    onTestFinished(() => client.end())
    await client.query('begin')
    await app.outbox(client).publish(Created({ number: 3 }))
    await client.query('commit')
    await expect.poll(() => app.deadLetters.list(), { timeout: 60_000 }).toHaveLength(1)
    failing = false
    await app.deadLetters.redrive({ service: 'email' })
    await app.settled()
    expect(numbers.toSorted()).toEqual([1, 2, 3])
    await app.services.pause('email')
    await app.services.resume('email')
    await app.stop()
    const again = await open([Created])
    await again.services.forget('email')
    await again.stop()
  })

  test('keeps documents where it may make tables, and else is told that it may not', async () => {
    const [may, mayNot] = [await withRoles({ views: true }), await withRoles()]
    const open = async ({ url, schema }: typeof may) => {
      const store = await postgres(url, { schema, migrate: false }).open(hostAt({ now: 1_700_000_000_000 }))
      onTestFinished(() => store.close())
      return store
    }
    const able = await open(may)
    await able.documents.define({ name: 'views', indexes: ['total'] })
    await able.documents.write([{ collection: 'views', id: '1', data: '{}' }])
    expect(await able.documents.get('views', ['1'])).toEqual(new Map([['1', '{}']]))
    await able.documents.drop('views')
    const unable = await open(mayNot)
    await expect(unable.documents.define({ name: 'views', indexes: [] })).rejects.toMatchObject({
      code: 'store-denied',
      message: expect.stringContaining('collection views cannot be made'),
    })
  })

  test.each([
    ['insert', 'events'],
    ['select', 'streams'],
    ['insert', 'ticks'],
    ['insert', 'log'],
    ['insert', 'given_ids'],
  ])('without the right to %s %s it is told which', async (right, table) => {
    const { open, owning, schema, user } = await withRoles()
    await owning.query(`revoke ${right} on ${schema}.${table} from ${user}`)
    const app = await open([Created])
    onTestFinished(() => app.stop())
    const attempt = async () => {
      await app.publish(Created({}, { id: 'once', stream: 'order-1' }))
      for await (const event of app.read()) return event
    }
    await expect(attempt()).rejects.toMatchObject({
      code: 'store-denied',
      message: expect.stringContaining(`table ${table}`),
    })
  })

  test('with no rights in the schema it is told so', async () => {
    const { owning, schema, user, open } = await withRoles()
    await owning.query(`revoke usage on schema ${schema} from ${user}`)
    await expect(open([Created])).rejects.toMatchObject({
      code: 'store-denied',
      message: expect.stringContaining(schema),
    })
  })
})

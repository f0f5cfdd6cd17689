import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { postgres } from '../engines/postgres/index.ts'
import { defineEvent, hodisa, PermanentError, type RecordedEvent, type ServiceStatus } from '../index.ts'
import { describeOnPostgres, type PostgresPlace, postgresPlace } from '../testing/postgres/fixtures/place.ts'
import { startPostgres } from '../testing/postgres/index.ts'
import { hodisaCommand, inProcess, jsonLines } from './fixtures/command.ts'

// Processes are slow to start on a machine that is busy.

const Created = defineEvent('order.created')

async function newPlace(): Promise<PostgresPlace> {
  const place = await postgresPlace()
  onTestFinished(place.dispose)
  return place
}

describeOnPostgres('the command on PostgreSQL', () => {
  test('publishes, lists and traces; the schema stands in the URL, in --schema or in the environment', async () => {
    const { url, schema, location } = await newPlace()
    const published = await hodisaCommand(['publish', 'order.created', '{"total":5}', '--store', location])
    expect(published).toMatchObject({ exit: 0, err: '' })
    const named = await inProcess(['events', 'list', '--json', '--store', url, '--schema', schema])
    expect(named).toMatchObject({ exit: 0, err: '' })
    const [event] = jsonLines<RecordedEvent>(named.out)
    expect(event).toMatchObject({ type: 'order.created', data: { total: 5 }, position: 1 })
    const got = await hodisaCommand(['events', 'get', event?.id ?? ''], { env: { HODISA_STORE: location } })
    expect(got).toMatchObject({ exit: 0, err: '', out: expect.stringContaining('"total": 5') })
    expect(await inProcess(['trace', event?.id ?? '', '--store', location])).toMatchObject({ exit: 0, err: '' })
  })

  test('--schema goes before what the URL says', async () => {
    const { location } = await newPlace()
    await inProcess(['publish', 'order.created', '{}', '--store', location])
    const other = await inProcess(['events', 'list', '--store', location, '--schema', 'no_such_schema'])
    expect(other).toMatchObject({ exit: 5, out: '' })
    expect(other.err).toMatch(/^error store-missing: there is no store in the schema no_such_schema\n/)
  })

  test('only publish makes a store', async () => {
    const { url, schema, location } = await newPlace()
    for (const args of [['tail'], ['trace', 'x'], ['services', 'list'], ['dead', 'list'], ['events', 'get', 'x']]) {
      expect(await inProcess([...args, '--store', location])).toMatchObject({
        exit: 5,
        err: expect.stringContaining('store-missing'),
      })
    }
    const client = new Client({ connectionString: url })
    await client.connect()
    onTestFinished(() => client.end())
    expect((await client.query('select to_regnamespace($1) as made', [schema])).rows).toEqual([{ made: null }])
  })

  test('steers a service that runs, and redrives what it gave up on', async () => {
    const { url, schema, location } = await newPlace()
    let failing = true
    const handled: unknown[] = []
    await using app = await hodisa({ source: 'shop', store: postgres(url, { schema }), events: [Created] })
    app.service('email').on(Created, ({ data }) => {
      if (failing) throw new PermanentError('no such address')
      handled.push(data)
    })
    await app.start()
    await app.publish(Created({ number: 1 }))
    await expect.poll(() => app.deadLetters.list(), { timeout: 60_000 }).toHaveLength(1)
    const store = ['--store', location]
    const listed = await inProcess(['dead', 'list', '--json', ...store])
    expect(jsonLines(listed.out)).toMatchObject([{ service: 'email', state: 'parked' }])
    failing = false
    expect(await inProcess(['dead', 'redrive', '--all', '--yes', ...store])).toMatchObject({ exit: 0 })
    await app.settled()
    expect(handled).toEqual([{ number: 1 }])
    expect(await inProcess(['services', 'pause', 'email', ...store])).toMatchObject({ exit: 0, err: '' })
    const services = async () =>
      jsonLines<ServiceStatus>((await inProcess(['services', 'list', '--json', ...store])).out)
    await expect.poll(services, { timeout: 60_000 }).toMatchObject([{ service: 'email', state: 'paused', lag: 0 }])
    const explained = await inProcess(['explain', ...store])
    expect(explained).toMatchObject({ exit: 0, err: '' })
  })

  test.each<[string, number, string, ...string[]]>([
    ['an address that is none', 2, 'store-unknown', 'postgres:secret'],
    ['a password that cannot be read', 2, 'store-unknown', 'postgres://user:secret%zz@127.0.0.1/db'],
    ['a schema that cannot be', 2, 'invalid-option', 'postgres://user:secret@127.0.0.1/db#No'],
    ['a server that is not there', 5, 'store-unavailable', 'postgres://user:secret@127.0.0.1:9/db'],
    ['a host that is not there', 5, 'store-unavailable', 'postgres://user:secret@host.invalid/db'],
    ['a schema of a file', 2, 'usage', 'secret.db', '--schema', 'hodisa'],
  ])('%s exits %i with %s, and shows no password', async (_, exit, code, ...place) => {
    for (const args of [
      ['events', 'list'],
      ['publish', 'a.b', '{}'],
    ]) {
      const outcome = await inProcess([...args, '--store', ...place])
      expect(outcome).toMatchObject({ exit, out: '' })
      expect(outcome.err).toMatch(new RegExp(`^error ${code}: .+\\n.+\\n$`))
      expect(outcome.err).not.toContain('secret')
    }
  })

  test('a wrong password and a database that is not there are told apart, and no password is shown', async () => {
    await using server = await startPostgres({ fsync: false, password: 'right-secret' })
    const wrong = new URL(server.url)
    wrong.password = 'wrong-secret'
    const denied = await inProcess(['events', 'list', '--store', wrong.href])
    expect(denied).toMatchObject({ exit: 5, out: '' })
    expect(denied.err).toMatch(/^error store-denied: /)
    const missing = new URL(server.url)
    missing.pathname = '/none'
    const unavailable = await inProcess(['events', 'list', '--store', missing.href])
    expect(unavailable).toMatchObject({ exit: 5, out: '' })
    expect(unavailable.err).toMatch(/^error store-unavailable: .*no such database/)
    expect(denied.err + unavailable.err).not.toContain('secret')
  })
})

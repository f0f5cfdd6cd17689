import { spawnSync } from 'node:child_process'
import { Client, Pool } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { Noted } from '../../delivery/fixtures/events.ts'
import { all, failure } from '../../delivery/fixtures/until.ts'
import type { ErrorCode } from '../../errors.ts'
import { HodisaError } from '../../errors.ts'
import { hostAt } from '../../store/conformance/suite.ts'
import { describeOnPostgres, postgresPlace } from '../../testing/postgres/fixtures/place.ts'
import { appOn, clientOf, describeOnOwnServer, ownServer } from './fixtures/own-server.ts'
import { type PostgresOptions, type PostgresPool, postgres } from './index.ts'

describeOnPostgres('a store that cannot be opened', () => {
  test.each<[string, (url: URL) => void, ErrorCode, string]>([
    ['another port', (url) => (url.port = '1'), 'store-unavailable', 'cannot be reached'],
    ['a host that is not there', (url) => (url.hostname = 'no-such-host.invalid'), 'store-unavailable', 'no-such-host'],
    ['another database', (url) => (url.pathname = '/nothing'), 'store-unavailable', 'there is no such database'],
    ['another user', (url) => (url.username = 'nobody_here'), 'store-denied', 'nobody_here'],
  ])('%s: says what is wrong, without the password', async (_, change, code, part) => {
    const url = new URL((await place()).url)
    url.password = 'topsecret'
    change(url)
    const error = await refusal(url.href, { busyTimeout: '1h' }) // who starts a program must not wait for its patience
    expect(error).toMatchObject({ code, message: expect.stringContaining(part) })
    expect(error.fix).not.toBe('')
    expect(JSON.stringify([error.message, error.details])).not.toContain('topsecret')
  })

  test('a role that may not create anything: names the right, and is let in to a store that is there', async () => {
    const { url, schema } = await place()
    const admin = await clientOf(url)
    const guest = await role(admin, url)
    expect(await refusal(guest.url, { schema })).toMatchObject({
      code: 'store-denied',
      message: expect.stringMatching(/right.*permission denied for database/),
    })
    const unmade = await refusal(guest.url, { schema, migrate: false })
    expect(unmade).toMatchObject({ code: 'store-unavailable', message: expect.stringContaining(schema) })

    await appOn(url, { schema })
    const denied = await refusal(guest.url, { schema })
    expect(denied).toMatchObject({ code: 'store-denied', message: expect.stringContaining('permission denied') })
    await admin.query(`grant usage on schema ${schema} to ${guest.name};
      grant select, insert, update, delete on all tables in schema ${schema} to ${guest.name};
      grant usage on all sequences in schema ${schema} to ${guest.name}`)
    const app = await appOn(guest.url, { schema, migrate: false })
    await app.publish(Noted({ key: 'a', n: 1 }))
    await admin.query(`revoke insert on ${schema}.events from ${guest.name}`)
    expect(await failure(() => app.publish(Noted({ key: 'a', n: 2 })))).toMatchObject({
      code: 'store-denied',
      message: expect.stringContaining('permission denied for table events'),
    })
    await admin.query(`grant insert on ${schema}.events to ${guest.name}`)
    await app.publish(Noted({ key: 'a', n: 3 }))
  })

  test('a schema of a newer release is refused where the change breaks this one, and used where it does not', async () => {
    const { url, schema } = await place()
    const app = await appOn(url, { schema })
    await app.publish(Noted({ key: 'a', n: 1 }))
    const admin = await clientOf(url)
    await admin.query(`insert into ${schema}.schema_versions (version, breaking) values (98, false)`)
    await (await appOn(url, { schema })).publish(Noted({ key: 'a', n: 2 }))
    await admin.query(`insert into ${schema}.schema_versions (version, breaking) values (99, true)`)
    for (const migrate of [true, false]) {
      expect(await refusal(url, { schema, migrate })).toMatchObject({ code: 'store-too-new', details: { version: 99 } })
    }
  })

  test('a store that does not take writes says so', async () => {
    const { url, schema } = await place()
    await appOn(url, { schema })
    const readOnly = new URL(url)
    const options = `${readOnly.searchParams.get('options')} -c default_transaction_read_only=on`
    readOnly.searchParams.set('options', options)
    expect(await refusal(readOnly.href, { schema: `${schema}_b` })).toMatchObject({ code: 'store-read-only' })
    const app = await appOn(readOnly.href, { schema })
    expect(await failure(() => app.publish(Noted({ key: 'a', n: 1 })))).toMatchObject({ code: 'store-read-only' })
  })

  test('where transactions begin stricter, connections of the store do not, and a pool of the user is refused', async () => {
    const { url, schema } = await place()
    const strict = new URL(url)
    const options = `${strict.searchParams.get('options')} -c default_transaction_isolation=serializable`
    strict.searchParams.set('options', options)
    const apps = [await appOn(strict.href, { schema }), await appOn(strict.href, { schema })]
    await Promise.all(apps.flatMap((app) => [1, 2, 3].map((n) => app.publish(Noted({ key: 'a', n })))))
    for (const app of apps) expect(await all(app.read())).toHaveLength(6)
    const pool = new Pool({ connectionString: strict.href, max: 5 })
    onTestFinished(() => pool.end())
    const error = await failure(() => appOn(pool, { schema }))
    expect(error).toMatchObject({ code: 'invalid-option', message: expect.stringContaining('serializable') })
  })

  test('a database in which not every text can be kept is refused', async () => {
    const { url } = await place()
    const admin = await clientOf(url)
    const name = `${new URL(url).pathname.slice(1)}_latin`
    await admin.query(`create database ${name} encoding 'LATIN1' template template0 lc_collate 'C' lc_ctype 'C'`)
    onTestFinished(async () => void (await (await clientOf(url)).query(`drop database ${name} with (force)`)))
    const latin = new URL(url)
    latin.pathname = name
    const error = await refusal(latin.href)
    expect(error).toMatchObject({ code: 'invalid-option', message: expect.stringContaining('LATIN1') })
  })

  test('a schema may be named by a word of SQL', async () => {
    const { url } = await place()
    const admin = await clientOf(url)
    const app = await appOn(url, { schema: 'order' })
    onTestFinished(async () => void (await (await clientOf(url)).query('drop schema if exists "order" cascade')))
    await app.publish(Noted({ key: 'a', n: 1 }))
    expect(await all(app.read())).toHaveLength(1)
    expect((await admin.query('select from "order".events')).rowCount).toBe(1)
  })

  test('a pool of the user is used, and stays theirs', async () => {
    const { url, schema } = await place()
    const pool = new Pool({ connectionString: url, max: 5 })
    onTestFinished(() => pool.end())
    const app = await appOn(pool, { schema })
    await app.publish(Noted({ key: 'a', n: 1 }))
    await app.stop()
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  test('without the driver it is named', () => {
    const engine = new URL('./index.ts', import.meta.url).href
    const program = `
      import { registerHooks } from 'node:module'
      registerHooks({
        resolve(name, context, next) {
          if (name === 'pg') throw Object.assign(new Error('no pg'), { code: 'ERR_MODULE_NOT_FOUND' })
          return next(name, context)
        },
      })
      const { postgres } = await import(${JSON.stringify(engine)})
      await postgres('postgres://127.0.0.1:1/x').open({}).catch(({ code, fix }) => console.log(JSON.stringify({ code, fix })))`
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(JSON.parse(stdout)).toEqual({ code: 'driver-missing', fix: expect.stringContaining('Install') })
  })

  test.each<[string, unknown, PostgresOptions]>([
    ['a pool that is too small', new Pool({ max: 4 }), {}],
    ['too few connections', 'postgres://here', { connections: 4 }],
    ['no URL', 'somewhere', {}],
    ['another protocol', 'mysql://here', {}],
    ['no pool', {}, {}],
    ['a name that is none', 'postgres://here', { schema: 'Drop Table' }],
    ['a name of the server', 'postgres://here', { schema: 'pg_own' }],
  ])('%s is refused before anything is tried', (_, target, options) => {
    expect(() => postgres(target as string, options)).toThrowError(expect.objectContaining({ code: 'invalid-option' }))
  })
})

describeOnOwnServer('a server that asks for a password', () => {
  test('lets in who knows it, and tells others that they do not', async () => {
    const { url } = await ownServer({ password: true })
    await (await appOn(url)).publish(Noted({ key: 'a', n: 1 }))
    const wrong = new URL(url)
    wrong.password = 'another one'
    const error = await refusal(wrong.href)
    expect(error).toMatchObject({ code: 'store-denied', message: expect.stringContaining('password') })
    expect(JSON.stringify([error.message, error.details])).not.toContain('another')
  })
})

async function place() {
  const made = await postgresPlace()
  onTestFinished(() => made.dispose())
  return made
}

/** A user that may connect and nothing else. */
async function role(admin: Client, url: string): Promise<{ readonly name: string; readonly url: string }> {
  const name = `guest_${Math.random().toString(36).slice(2)}`
  await admin.query(`create role ${name} login`)
  onTestFinished(async () => {
    const client = new Client({ connectionString: url })
    await client.connect()
    await client.query(`drop owned by ${name}; drop role ${name}`)
    await client.end()
  })
  const own = new URL(url)
  own.username = name
  return { name, url: own.href }
}

async function refusal(target: string | PostgresPool, options: PostgresOptions = {}): Promise<HodisaError> {
  const error = await failure(() => postgres(target, options).open(hostAt({ now: 0 })))
  if (error instanceof HodisaError) return error
  throw error
}

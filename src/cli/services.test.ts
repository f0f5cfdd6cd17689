import { expect, test } from 'vitest'
import { sqlite } from '../engines/sqlite/index.ts'
import { type App, defineEvent, hodisa, type ServiceStatus } from '../index.ts'
import { fakeTerminal, inProcess, jsonLines, newStore } from './fixtures/command.ts'
import { run } from './run.ts'

// Processes are slow to start on a machine that is busy.

const Created = defineEvent('order.created')

async function withServices(store: string, ...names: string[]): Promise<App<readonly [typeof Created]>> {
  const app = await hodisa({ source: 'shop', store: sqlite(store), events: [Created] })
  for (const name of names) app.service(name).on(Created, () => undefined)
  await app.start()
  return app
}

async function listed(store: string): Promise<ServiceStatus[]> {
  const { exit, out, err } = await inProcess(['services', 'list', '--json', '--store', store])
  expect({ exit, err }).toEqual({ exit: 0, err: '' })
  return jsonLines<ServiceStatus>(out)
}

test('lists services in columns, with their state, instances and lag', async () => {
  const store = newStore()
  const app = await withServices(store, 'email', 'analytics')
  await app.publish([Created({}), Created({})])
  await app.settled()
  expect(await listed(store)).toMatchObject([
    { service: 'analytics', state: 'running', parked: 0, subscriptions: [{ pattern: 'order.created' }] },
    { service: 'email', state: 'running', instances: [{ source: 'shop', pid: process.pid }] },
  ])
  await app.stop()
  const { out } = await inProcess(['services', 'list', '--store', store])
  const [head, ...rows] = out.trimEnd().split('\n')
  expect(head).toMatch(/^SERVICE +STATE +INSTANCES +CHECKPOINT +LAG +RETRYING +PARKED +WAITING +SUBSCRIPTIONS$/)
  expect(rows).toHaveLength(2)
  for (const row of rows) expect(row.indexOf('order.created')).toBe(head?.indexOf('SUBSCRIPTIONS'))
  expect(rows[1]).toMatch(/^email +down +0 /)
})

test('an empty store has no services: nothing on stdout, a word on stderr', async () => {
  const store = newStore()
  await (await hodisa({ source: 'shop', store: sqlite(store) })).stop()
  expect(await inProcess(['services', 'list', '--store', store])).toMatchObject({
    exit: 0,
    out: '',
    err: 'no service has been recorded in this store\n',
  })
  expect(await inProcess(['services', 'list', '--json', '--store', store])).toEqual({ exit: 0, out: '', err: '' })
})

test('pauses a running service, and resumes it', async () => {
  const store = newStore()
  await using app = await withServices(store, 'email')
  const args = ['--store', store]
  const paused = await inProcess(['services', 'pause', 'email', '--reason', 'mail is down', ...args])
  expect(paused).toEqual({ exit: 0, out: 'paused email\n', err: '' })
  expect(await listed(store)).toMatchObject([{ state: 'paused', reason: 'mail is down' }])
  const resumed = await inProcess(['services', 'resume', 'email', '--json', ...args])
  expect(jsonLines(resumed.out)).toEqual([{ service: 'email', action: 'resumed' }])
  expect(await listed(store)).toMatchObject([{ state: 'running' }])
  await app.publish(Created({}))
  await app.settled()
})

test('reset asks first, and then the events come again', async () => {
  const store = newStore()
  let handled = 0
  const counting = async () => {
    const app = await hodisa({ source: 'shop', store: sqlite(store), events: [Created] })
    app.service('email', { from: 'start' }).on(Created, () => void handled++)
    await app.start()
    await app.settled()
    return app
  }
  const first = await counting()
  await first.publish([Created({}), Created({}), Created({})])
  await first.settled()
  await first.stop()
  const args = ['services', 'reset', 'email', '--from', 'start', '--store', store]

  const no = fakeTerminal({ answer: false })
  expect(await run(args, no)).toBe(4)
  expect(no.questions).toEqual([expect.stringMatching(/^Move service email from position 3 to start\? .*\[y\/N\] $/)])
  const nobody = await inProcess(args)
  expect(nobody).toMatchObject({ exit: 4, out: '' })
  expect(nobody.err).toContain('--yes')
  await (await counting()).stop()
  expect(handled).toBe(3)

  const yes = fakeTerminal({ answer: true })
  expect(await run(args, yes)).toBe(0)
  expect(yes.out).toBe('reset email\n')
  await (await counting()).stop()
  expect(handled).toBe(6)
})

test('forget removes a service that is down, and refuses one that runs', async () => {
  const store = newStore()
  const app = await withServices(store, 'email')
  const args = ['services', 'forget', 'email', '--yes', '--store', store]
  expect(await inProcess(args)).toMatchObject({ exit: 4, err: expect.stringMatching(/^error service-running: /) })
  await app.stop()
  expect(await inProcess(args)).toEqual({ exit: 0, out: 'forgotten email\n', err: '' })
  expect(await listed(store)).toEqual([])
})

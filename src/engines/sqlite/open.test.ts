import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { anEvent, append, eventsOf } from '../../store/conformance/index.ts'
import { isOlder } from './connection.ts'
import { folder, newFile, openAt, opening } from './fixtures/place.ts'
import { sqlite } from './index.ts'

const fixture = (name: string) => join(import.meta.dirname, 'fixtures', name)

test('a name that is no file is refused at once', () => {
  for (const name of ['', ':memory:', 'file::memory:', 'file:store.db']) {
    expect(() => sqlite(name)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
  }
  expect(() => sqlite(':memory:')).toThrow(/hodisa\/memory/)
})

test('a file that is no database is named, and left as it was', async () => {
  const file = await newFile()
  const text = 'a shopping list\n'.repeat(100)
  await writeFile(file, text)
  await expect(opening(file)).rejects.toMatchObject({ code: 'store-not-a-database' })
  expect(await readFile(file, 'utf8')).toBe(text)
  await expect(opening(await folder())).rejects.toMatchObject({ code: 'store-not-a-database' })
})

test('a folder that is missing is named', async () => {
  const file = join(await folder(), 'missing', 'store.db')
  await expect(opening(file)).rejects.toMatchObject({ code: 'store-unavailable', details: { file } })
})

test('a store of a newer release is not opened', async () => {
  const file = await newFile()
  await opening(file)
  const connection = new Database(file)
  connection.exec('insert into hodisa_schema (version, applied_at) values (999, 0)')
  connection.close()
  await expect(opening(file)).rejects.toMatchObject({ code: 'store-too-new', details: { version: 999 } })
})

test('a damaged store is told', async () => {
  const file = await newFile()
  const store = await openAt(file)
  await store.append(append(eventsOf('order-1', 500)))
  await store.close()
  const bytes = await readFile(file)
  bytes.fill(0xaa, 4096 * 2)
  await writeFile(file, bytes)
  const broken = (async () => {
    const damaged = await openAt(file)
    await damaged.readLog({ limit: 1000 })
    await damaged.append(append(anEvent({ stream: 'order-1' })))
  })()
  await expect(broken).rejects.toMatchObject({ code: 'store-corrupt' })
})

test('tables and the version of the user stay as they are', async () => {
  const file = await newFile()
  const connection = new Database(file)
  connection.exec('create table stock (sku text); pragma user_version = 7')
  await opening(file)
  expect(connection.pragma('user_version', { simple: true })).toBe(7)
  expect(connection.prepare('select count(*) from stock').pluck().get()).toBe(0)
  connection.close()
})

test('a SQLite with the reset fault is told from one without', () => {
  expect(['3.7.0', '3.51.2', '3.9.99'].map((version) => isOlder(version, '3.51.3'))).toEqual([true, true, true])
  expect(['3.51.3', '3.54.1', '4.0.0'].map((version) => isOlder(version, '3.51.3'))).toEqual([false, false, false])
})

test('opening waits for whoever holds the whole file', async () => {
  const file = await newFile()
  const connection = new Database(file)
  connection.exec('begin exclusive; create table stock (sku text)')
  const store = openAt(file)
  await new Promise((resolve) => setImmediate(resolve))
  connection.exec('commit')
  connection.close()
  expect(await (await store).head()).toBe(0)
})

test('connections that open one new file at once all succeed', async () => {
  const file = await newFile()
  const stores = await Promise.all(Array.from({ length: 8 }, () => openAt(file)))
  await Promise.all(stores.map((store) => store.append(append(anEvent()))))
  expect((await stores[0]?.readLog({ limit: 100 }))?.events).toHaveLength(8)
})

test('processes that open one new file at once all succeed, and together lose nothing', async () => {
  const file = await newFile()
  const ends = Array.from({ length: 3 }, async () => {
    const child = fork(fixture('append-forever.ts'), [file, '300'], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
    let text = ''
    child.stdout?.on('data', (chunk) => (text += chunk))
    const [code] = await once(child, 'close')
    expect(code).toBe(0)
    return text.trim().split('\n')
  })
  const told = (await Promise.all(ends)).flat()
  const store = await openAt(file)
  const { events } = await store.readLog({ limit: 10_000 })
  expect(told).toHaveLength(900)
  expect(new Set(events.map(({ id }) => id))).toEqual(new Set(told))
  const revisions = await store.readStream({ stream: 'order-0', limit: 10_000 })
  expect(revisions.map(({ revision }) => revision)).toEqual(revisions.map((_, index) => index + 1))
})

test('a process killed while it writes loses nothing it was told of', async () => {
  const file = await newFile()
  for (const _ of [1, 2, 3]) {
    const before = (await told(file)).size
    const child = fork(fixture('append-forever.ts'), [file], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
    let text = ''
    child.stdout?.on('data', (chunk) => {
      text += chunk
      if (text.length > 20_000) child.kill('SIGKILL')
    })
    await once(child, 'close')
    const acknowledged = text.slice(0, text.lastIndexOf('\n')).split('\n')
    const found = await told(file)
    expect(acknowledged.filter((id) => !found.has(id))).toEqual([])
    expect(found.size).toBeGreaterThan(before)
  }
  const connection = new Database(file, { readonly: true })
  expect(connection.pragma('integrity_check', { simple: true })).toBe('ok')
  connection.close()
})

async function told(file: string): Promise<Set<string>> {
  const store = await openAt(file)
  const { events } = await store.readLog({ limit: 100_000 })
  await store.close()
  return new Set(events.map(({ id }) => id))
}

test.runIf(process.platform !== 'win32')('a file or folder without the right to write is told', async () => {
  const path = await folder()
  const [file, locked] = [join(path, 'store.db'), join(path, 'locked')]
  await mkdir(locked)
  await opening(file)
  await chmod(file, 0o444)
  await chmod(locked, 0o555)
  await chmod(path, 0o755)
  // Rights do not bind the superuser: somebody else tries.
  const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
  const codes: string[] = []
  for (const target of [file, join(locked, 'store.db')]) {
    const child = spawn(process.execPath, [fixture('open-and-tell.ts'), target], {
      ...user,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    child.stdout.on('data', (chunk) => (text += chunk))
    await once(child, 'close')
    codes.push(text)
  }
  expect(codes).toEqual(['store-read-only', 'store-unavailable'])
})

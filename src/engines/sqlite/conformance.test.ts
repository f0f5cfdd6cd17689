import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { describe, test } from 'vitest'
import { conformance, type Held, processConformance } from '../../store/conformance/index.ts'
import type { AppendRequest } from '../../store/events.ts'
import type { StoreFactory, StoreHost } from '../../store/port.ts'
import { sqlite } from './index.ts'

const suite = { name: 'sqlite', describe, test: (name: string, body: () => Promise<void>) => test(name, body, 60_000) }

async function place() {
  const folder = await mkdtemp(join(tmpdir(), 'hodisa-'))
  const file = join(folder, 'store.db')
  return { file, factory: sqlite(file), dispose: () => rm(folder, { recursive: true, force: true }) }
}

conformance({
  ...suite,
  async open() {
    const { file, factory, dispose } = await place()
    return {
      connect: (host) => factory.open(host),
      hold: (request, host) => hold(file, factory, request, host),
      dispose,
    }
  },
})

processConformance({
  ...suite,
  async open() {
    const { file, factory, dispose } = await place()
    const path = fileURLToPath(new URL('./index.ts', import.meta.url))
    return { module: { path, factory: 'sqlite', location: file }, connect: (host) => factory.open(host), dispose }
  },
})

/** The outbox on a connection of the user's own. */
async function hold(file: string, factory: StoreFactory, request: AppendRequest, host: StoreHost): Promise<Held> {
  const store = await factory.open(host)
  const connection = new Database(file)
  connection.pragma('synchronous = full')
  connection.exec('begin immediate')
  await store.outbox(connection).append(request)
  const end = async (how: string) => {
    connection.exec(how)
    connection.close()
    await store.close()
  }
  return { commit: () => end('commit'), rollback: () => end('rollback') }
}

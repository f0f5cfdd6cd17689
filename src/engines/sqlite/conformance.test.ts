import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, test } from 'vitest'
import { conformance, type Held } from '../../store/conformance/index.ts'
import type { AppendRequest } from '../../store/events.ts'
import type { StoreHost } from '../../store/port.ts'
import { sqlite } from './index.ts'

conformance({
  name: 'sqlite',
  describe,
  test: (name, body) => test(name, body, 30_000),
  async open() {
    const folder = await mkdtemp(join(tmpdir(), 'hodisa-sqlite-'))
    const factory = sqlite(join(folder, 'store.db'))
    return {
      connect: (host) => factory.open(host),
      hold: (request, host) => hold(join(folder, 'store.db'), request, host),
      dispose: () => rm(folder, { recursive: true }),
    }
  },
})

/** A transaction of the user's own, with an outbox. */
async function hold(file: string, request: AppendRequest, host: StoreHost): Promise<Held> {
  const store = await sqlite(file).open(host)
  const connection = new Database(file)
  connection.pragma('synchronous = full')
  connection.exec('begin immediate')
  await store.outbox(connection).append(request)
  const end = async (how: 'commit' | 'rollback') => {
    connection.exec(how)
    connection.close()
    await store.close()
  }
  return { commit: () => end('commit'), rollback: () => end('rollback') }
}

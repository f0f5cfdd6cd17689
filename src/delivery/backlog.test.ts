import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { hodisa } from '../index.ts'
import { PageViewed } from './fixtures/backlog-worker.ts'
import { eachSharedEngine } from './fixtures/shared-store.ts'

const WORKER = fileURLToPath(new URL('./fixtures/backlog-worker.ts', import.meta.url))
const EVENTS = 100_000
/** MB. The backlog alone is larger. */
const HEAP = 56

eachSharedEngine((open) => {
  test('a backlog larger than the memory is worked off, with no more in hand than the concurrency', async () => {
    const store = await open()
    const app = await hodisa({ source: 'test', store: store.factory, events: [PageViewed], durability: 'os' })
    const words = 'word '.repeat(160)
    for (let from = 0; from < EVENTS; from += 2_000) {
      await app.publish(Array.from({ length: 2_000 }, (_, index) => PageViewed({ number: from + index, text: words })))
    }
    const child = spawn(process.execPath, [`--max-old-space-size=${HEAP}`, WORKER, store.location], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      const said = await text(child.stdout)
      expect(JSON.parse(said)).toEqual({ handled: EVENTS, most: 8 })
    } finally {
      child.kill('SIGKILL')
      await app.stop()
      await store.dispose()
    }
  }, 300_000)
})

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { sqlite } from '../engines/sqlite/index.ts'
import { hodisa } from '../index.ts'
import { PageViewed, SiteClosed } from './fixtures/memory-worker.ts'

const DOCUMENTS = 100_000
const CLOSED = 5_000

test('a view of 100,000 documents is built, built anew, compared and read in a heap that could not hold it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hodisa-view-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'store.db')
  const app = await hodisa({ source: 'test', store: sqlite(file), events: [PageViewed, SiteClosed], durability: 'os' })
  const text = 'x'.repeat(400)
  for (let first = 0; first < DOCUMENTS; first += 2_000) {
    await app.publish(
      Array.from({ length: 2_000 }, (_, n) => PageViewed({ page: `p${first + n}`, text: `${first + n} ${text}` })),
    )
  }
  await app.publish(SiteClosed({ pages: Array.from({ length: CLOSED }, (_, n) => `p${n}`) }))
  await app.stop()
  const worker = join(import.meta.dirname, 'fixtures/memory-worker.ts')
  const args = ['--max-old-space-size=56', worker, file]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  const left = DOCUMENTS - CLOSED
  expect(JSON.parse(stdout)).toEqual({
    built: left,
    read: left,
    differences: 0,
    sorted: ['p99999', 'p99998', 'p99997'],
  })
}, 240_000)

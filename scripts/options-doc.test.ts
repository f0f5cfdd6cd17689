import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../src/clock.ts'
import { resolveOptions } from '../src/delivery/options.ts'
import { sqlite } from '../src/engines/sqlite/index.ts'
import { type Duration, milliseconds } from '../src/event/duration.ts'
import { consoleLogger } from '../src/logger.ts'

const document = readFileSync(new URL('../docs/options.md', import.meta.url), 'utf8')

test('docs/options.md gives the defaults of a service that the code has', () => {
  const { retry, ...service } = resolveOptions({})
  expect(defaultsOf('app.service(name, options)')).toEqual(service)
  expect(defaultsOf('retry')).toEqual(retry)
})

test('docs/options.md gives the limits of the SQLite engine', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hodisa-options-'))
  const host = { clock: systemClock, logger: consoleLogger, durability: 'os' } as const
  const store = await sqlite(join(folder, 'store.db')).open(host)
  const { maxEventsPerAppend, maxEventBytes } = store.capabilities
  await store.close()
  rmSync(folder, { recursive: true })
  expect(document).toContain(`| events of one write | at most ${maxEventsPerAppend.toLocaleString('en')} |`)
  expect(document).toContain(`| data and metadata of one event | at most ${maxEventBytes / 1024 ** 2} MiB |`)
})

/** The default column of the table under a heading, as resolved options have it. */
function defaultsOf(heading: string): Record<string, unknown> {
  const [, section = ''] = document.split(`## ${heading}\n`)
  const rows = section
    .split('\n## ', 1)
    .join()
    .matchAll(/^\| `(\w+)` \| (.*?) \| `(.*?)` \|/gm)
  return Object.fromEntries(
    [...rows].map(([, option = '', takes = '', text = '']) => [option, resolvedValue(takes, text)]),
  )
}

function resolvedValue(takes: string, text: string): unknown {
  const value = text.startsWith("'") ? text.slice(1, -1) : Number(text)
  return takes.startsWith('duration') ? milliseconds(value as Duration, 'default') : value
}

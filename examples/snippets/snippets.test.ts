import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { createDatabase, dropDatabase } from '../../src/testing/postgres/databases.ts'
import { withoutPostgres } from '../../src/testing/postgres/fixtures/place.ts'

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
const [onServer, others] = [true, false].map((wanted) =>
  files.filter((name) => /^postgres|^outbox-/.test(name) === wanted),
)

// Each asserts what it shows.
test.concurrent.for(others ?? [])('%s runs as it stands in the documents', (name) => run(name))

test.skipIf(withoutPostgres !== '').for(onServer ?? [])(
  `%s runs as it stands in the documents${withoutPostgres}`,
  async (name) => {
    const provided = inject('postgres')
    if ('missing' in provided) throw new Error(provided.missing)
    const url = await createDatabase(provided.url)
    try {
      await run(name, { DATABASE_URL: url })
    } finally {
      await dropDatabase(provided.url, url)
    }
  },
)

async function run(name: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hodisa-snippet-'))
  try {
    const child = spawn(process.execPath, [join(import.meta.dirname, name)], {
      cwd: folder,
      env: { ...process.env, ...env },
    })
    let output = ''
    child.stdout.on('data', (text) => (output += text))
    child.stderr.on('data', (text) => (output += text))
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect(code, output).toBe(0)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

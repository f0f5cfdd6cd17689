import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))

// Each asserts what it shows.
test.concurrent.each(files)('%s runs as it stands in the documents', { timeout: 120_000 }, async (name) => {
  const folder = mkdtempSync(join(tmpdir(), 'hodisa-snippet-'))
  try {
    const child = spawn(process.execPath, [join(import.meta.dirname, name)], { cwd: folder })
    let output = ''
    child.stdout.on('data', (text) => (output += text))
    child.stderr.on('data', (text) => (output += text))
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect(code, output).toBe(0)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { expect, onTestFinished, test } from 'vitest'
import { findPostgres } from './find.ts'

test('a server that is given is used, whatever this machine has', () => {
  const url = 'postgresql://somebody@db.example/postgres'
  expect(findPostgres({ HODISA_TEST_POSTGRES_URL: url, PATH: process.env.PATH })).toEqual({ url })
})

test('a folder without PostgreSQL is named, and nothing else stands in for it', () => {
  const folder = mkdtempSync(`${tmpdir()}/hodisa-none-`)
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const found = findPostgres({ HODISA_TEST_POSTGRES_BIN: folder, PATH: process.env.PATH })
  expect(found).toEqual({ missing: expect.stringContaining(folder) })
})

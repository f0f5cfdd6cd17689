/*
 * Keeps docs/errors.md equal to the errors of the code: the last column of its tables is the `fix` of the code. Writes what
 * differs; with `--check` it only tells. When an error happens is written by hand.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { ERRORS } from '../src/errors.ts'

const ROW = /^\| `([a-z-]+)` \| (.*) \| (.*) \|$/

/** The rows of the tables, by code. */
export function errorRows(markdown: string): Map<string, { readonly when: string; readonly fix: string }> {
  const rows = new Map<string, { when: string; fix: string }>()
  for (const line of markdown.split('\n')) {
    const [, code, when, fix] = ROW.exec(line) ?? []
    if (code === undefined || when === undefined || fix === undefined) continue
    if (rows.has(code)) throw new Error(`docs/errors.md lists ${code} twice`)
    rows.set(code, { when, fix })
  }
  return rows
}

function corrected(markdown: string): string {
  const fixes: Readonly<Record<string, string>> = ERRORS
  return markdown
    .split('\n')
    .map((line) => {
      const [, code = '', when] = ROW.exec(line) ?? []
      return fixes[code] === undefined ? line : `| \`${code}\` | ${when} | ${fixes[code]} |`
    })
    .join('\n')
}

if (import.meta.main) process.exitCode = main(process.argv.includes('--check'))

function main(check: boolean): number {
  const path = resolve(import.meta.dirname, '..', 'docs', 'errors.md')
  const before = readFileSync(path, 'utf8')
  const after = corrected(before)
  const listed = errorRows(after)
  const problems = [
    ...Object.keys(ERRORS)
      .filter((code) => !listed.has(code))
      .map((code) => `${code} is missing`),
    ...[...listed.keys()].filter((code) => !(code in ERRORS)).map((code) => `${code} is no error of the code`),
  ]
  if (after !== before && check) problems.push('a fix is not that of the code; run `node scripts/errors-doc.ts`')
  if (after !== before && !check) writeFileSync(path, after)
  for (const problem of problems) process.stderr.write(`docs/errors.md: ${problem}\n`)
  return problems.length === 0 ? 0 : 1
}

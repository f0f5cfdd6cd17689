/*
 * Runs the shop once undisturbed and once with processes killed, on the orders of a file or on made-up ones, and holds the two
 * reports against each other: nothing lost, nothing twice, the same figures.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'

interface Report extends Record<string, unknown> {
  readonly lost: number
  readonly duplicates: number
  readonly kills: number
  readonly seconds: number
}

const main = resolve(import.meta.dirname, '..', 'examples', 'shop', 'main.ts')
const [file] = process.argv.slice(2)
const orders = file !== undefined && existsSync(file) ? ['--orders', file] : []

const calm = run([])
const chaotic = run(['--chaos', '--seed', '1'])
const problems = [...problemsOf('undisturbed', calm), ...problemsOf('with kills', chaotic)]
if (chaotic.kills < 10) problems.push(`only ${chaotic.kills} processes were killed`)
if (!isDeepStrictEqual(figures(calm), figures(chaotic))) problems.push('the figures differ when processes are killed')
for (const problem of problems) process.stderr.write(`shop: ${problem}\n`)
if (problems.length > 0) process.exitCode = 1

function run(flags: readonly string[]): Report {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...orders, '--once', '--json', ...flags], {
    encoding: 'utf8',
    timeout: 180_000,
  })
  const line = stdout.trim().split('\n').at(-1) ?? ''
  process.stdout.write(`${line}\n`)
  if (status !== 0) throw new Error(`the shop ended with ${status}: ${stderr.slice(-2_000)}`)
  return JSON.parse(line) as Report
}

function problemsOf(name: string, { lost, duplicates }: Report): string[] {
  return lost === 0 && duplicates === 0 ? [] : [`${name}: ${lost} lost, ${duplicates} twice`]
}

/** Everything but what may differ. */
function figures({ kills: _kills, seconds: _seconds, ...figures }: Report): Record<string, unknown> {
  return figures
}

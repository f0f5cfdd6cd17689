/*
 * Runs the shop undisturbed and with processes killed, on SQLite and, where there is one, on PostgreSQL, with the orders of a file
 * or made-up ones, and holds the reports against each other and against the sums of what was read: nothing lost, nothing twice, the
 * same figures.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { source } from '../examples/shop/orders/source.ts'
import { findPostgres } from '../src/testing/postgres/index.ts'

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
const chaotic = ['--chaos', '--seed', '1']
const others: Record<string, Report> = { 'with kills': run(chaotic) }
if ('missing' in findPostgres({ ...process.env, HODISA_TEST_POSTGRES_URL: undefined })) {
  process.stdout.write('no PostgreSQL here: the shop was not run on it\n')
} else {
  others['on PostgreSQL'] = run(['--store', 'postgres'])
  others['on PostgreSQL, with kills'] = run(['--store', 'postgres', ...chaotic])
}
const problems = problemsOf('undisturbed', calm)
if (!isDeepStrictEqual(await sumsOfSource(), { netUnits: calm.netUnits, revenueByCountry: calm.revenueByCountry })) {
  problems.push('undisturbed: the figures are not the sums of the orders')
}
for (const [name, report] of Object.entries(others)) {
  problems.push(...problemsOf(name, report))
  if (name.includes('kills') && report.kills < 10) problems.push(`${name}: only ${report.kills} processes were killed`)
  if (!isDeepStrictEqual(figures(calm), figures(report))) problems.push(`${name}: the figures are others`)
}
for (const problem of problems) process.stderr.write(`shop: ${problem}\n`)
if (problems.length > 0) process.exitCode = 1

function run(flags: readonly string[]): Report {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...orders, '--once', '--json', ...flags], {
    encoding: 'utf8',
    timeout: 600_000, // what hangs is ended; what is slow on a busy machine is not at fault
  })
  const line = stdout.trim().split('\n').at(-1) ?? ''
  process.stdout.write(`${line}\n`)
  if (status !== 0) throw new Error(`the shop ended with ${status}: ${stderr.slice(-2_000)}`)
  return JSON.parse(line) as Report
}

function problemsOf(name: string, { lost, duplicates }: Report): string[] {
  return lost === 0 && duplicates === 0 ? [] : [`${name}: ${lost} lost, ${duplicates} twice`]
}

/** The same figures, from nothing but the source. */
async function sumsOfSource() {
  let netUnits = 0
  const revenue = new Map<string, bigint>()
  for await (const { invoice } of source({ file: orders[1], count: 2_000 }, () => undefined)) {
    const quantities = invoice.lines.map(({ quantity }) => quantity)
    netUnits += quantities.reduce((sum, quantity) => sum + quantity, 0)
    if (invoice.invoice.startsWith('C') || quantities.some((quantity) => quantity <= 0)) continue
    for (const { quantity, price } of invoice.lines) {
      revenue.set(invoice.country, (revenue.get(invoice.country) ?? 0n) + BigInt(quantity) * BigInt(price))
    }
  }
  const pounds = (thousandths: bigint) =>
    `${thousandths / 1000n}.${String(thousandths % 1000n)
      .padStart(3, '0')
      .replace(/0$/, '')}`
  const revenueByCountry = Object.fromEntries([...revenue].map(([country, sum]) => [country, pounds(sum)]))
  return { netUnits, revenueByCountry }
}

/** Everything but what may differ. */
function figures({ kills: _kills, seconds: _seconds, ...figures }: Report): Record<string, unknown> {
  return figures
}

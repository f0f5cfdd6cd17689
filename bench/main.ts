import { parseArgs } from 'node:util'
import { append } from './append.ts'
import { deliver } from './deliver.ts'
import { latency } from './latency.ts'
import type { Report, Settings } from './measure.ts'
import { rebuild } from './rebuild.ts'
import { table } from './table.ts'
import { types } from './types.ts'

const BENCHES: Readonly<Record<string, (settings: Settings) => Promise<Report>>> = {
  append,
  deliver,
  latency,
  rebuild,
  types,
}
const ENGINES = ['sqlite']
const USAGE = `usage: npm run bench -- <${Object.keys(BENCHES).join('|')}> [--engine ${ENGINES.join('|')}] [--quick] [--json]\n`

process.exitCode = await main()

async function main(): Promise<number> {
  const parsed = parse()
  if (parsed === undefined) return usage()
  const { positionals, values } = parsed
  const bench = BENCHES[positionals[0] ?? '']
  if (bench === undefined || positionals.length > 1 || !ENGINES.includes(values.engine)) return usage()
  const report = await bench({ quick: values.quick })
  process.stdout.write(`${table(report)}\n`)
  if (values.json) {
    const { bench: name, unit, rows } = report
    process.stdout.write(`${JSON.stringify({ bench: name, engine: values.engine, unit, rows })}\n`)
  }
  return 0
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        engine: { type: 'string', default: 'sqlite' },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    })
  } catch {
    return undefined
  }
}

function usage(): number {
  process.stderr.write(USAGE)
  return 2
}

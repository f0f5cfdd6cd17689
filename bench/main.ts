import { parseArgs } from 'node:util'
import { append } from './append.ts'
import { deliver } from './deliver.ts'
import { ENGINES, type Engine } from './engine.ts'
import { execute } from './execute.ts'
import { latency } from './latency.ts'
import type { Report, Settings } from './measure.ts'
import { idle } from './postgres/idle.ts'
import { scale } from './postgres/scale.ts'
import { startServer } from './postgres/server.ts'
import { rebuild } from './rebuild.ts'
import { snapshot } from './snapshot.ts'
import { SQLITE } from './sqlite/engine.ts'
import { aimLines, reachedAims, table } from './table.ts'
import { types } from './types.ts'

type Bench = (settings: Settings & ScaleOptions) => Promise<Report>
type ScaleOptions = Parameters<typeof scale>[0]

const ON_ANY: Readonly<Record<string, Bench>> = { append, deliver, latency, rebuild, execute, snapshot, types }
const ON_POSTGRES: Readonly<Record<string, Bench>> = { ...ON_ANY, scale, idle }
const USAGE = `usage: npm run bench -- <${Object.keys(ON_POSTGRES).join('|')}> [--engine ${ENGINES.join('|')}]
         [--quick] [--json] [--only hodisa,raw,...] [--events 10000000] [--minutes 45]
scale and idle need --engine postgres; --events and --minutes are of scale
`

process.exitCode = await main()

async function main(): Promise<number> {
  const parsed = parse()
  if (parsed === undefined) return usage()
  const { positionals, values } = parsed
  const engineName = ENGINES.find((name) => name === values.engine)
  const bench = (engineName === 'postgres' ? ON_POSTGRES : ON_ANY)[positionals[0] ?? '']
  const [events, minutes] = [Number(values.events), Number(values.minutes)]
  if (engineName === undefined || bench === undefined || positionals.length > 1) return usage()
  if (!(events > 0 && minutes > 0)) return usage()
  const only = values.only === '' ? [] : values.only.split(',')
  const run = (engine: Engine) => bench({ engine, quick: values.quick, only, events, minutes })
  if (engineName === 'sqlite') {
    print(SQLITE, await run(SQLITE), values.json)
  } else {
    await using server = await startServer()
    process.stdout.write(`${server.described}\n`)
    print(server, await run(server), values.json)
  }
  return 0
}

function print(engine: Engine & { readonly described?: string }, report: Report, json: boolean): void {
  const { bench, unit, rows } = report
  const aims = reachedAims(report, engine.aims[bench] ?? [])
  process.stdout.write(`${table(report)}\n`)
  if (aims.length > 0) process.stdout.write(`\n${aimLines(aims, unit)}\n`)
  if (!json) return
  const more = { ...(aims.length > 0 && { aims }), ...(engine.described && { server: engine.described }) }
  process.stdout.write(`${JSON.stringify({ bench, engine: engine.name, unit, rows, ...more })}\n`)
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        engine: { type: 'string', default: 'sqlite' },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        only: { type: 'string', default: '' },
        events: { type: 'string', default: '10000000' },
        minutes: { type: 'string', default: '45' },
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

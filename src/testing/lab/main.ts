/* `npm run lab`: see docs/laboratory.md. */
import { parseArgs } from 'node:util'
import { isHodisaError } from '../../errors.ts'
import { lab } from './lab.ts'
import { figuresOf, summary } from './report.ts'
import { assertStore } from './stores.ts'

try {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      minutes: { type: 'string', default: '0.5' },
      store: { type: 'string', default: 'sqlite' },
      worker: { type: 'string' },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
    },
  })
  const { seed, minutes, store, worker, json, keep } = values
  assertStore(store)
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  const result = await lab({
    seed: Number(seed),
    minutes: Number(minutes),
    store,
    keep,
    signal: stop.signal,
    ...(worker !== undefined && { worker }),
  })
  const own = worker === undefined ? '' : ` --worker ${worker}`
  process.stdout.write(summary(result, `npm run lab -- --seed ${seed} --minutes ${minutes} --store ${store}${own}`))
  if (json) process.stdout.write(`${JSON.stringify(figuresOf(result))}\n`)
  if (result.violations.length > 0) process.exitCode = 1
} catch (error) {
  const text = error instanceof Error && (isHodisaError(error) || 'code' in error) ? error.message : String(error)
  process.stderr.write(`${text}\n`)
  process.exitCode = 2
}

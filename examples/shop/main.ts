import { isHodisaError } from 'hodisa'
import { HELP, parseOptions, UsageError } from './supervisor/options.ts'
import { reportText } from './supervisor/report.ts'
import { runShop } from './supervisor/run.ts'

process.exitCode = await main()

/** 0: done, or stopped as asked; 1: something was lost or came twice, or the shop could not run; 2: wrong usage. */
async function main(): Promise<number> {
  try {
    const options = parseOptions(process.argv.slice(2))
    if (options === 'help') {
      process.stdout.write(HELP)
      return 0
    }
    const report = await runShop(options, signals())
    if (report === undefined) return 0
    process.stdout.write(`${options.json ? JSON.stringify(report) : reportText(report)}\n`)
    return report.lost === 0 && report.duplicates === 0 ? 0 : 1
  } catch (error) {
    process.stderr.write(`shop: ${describe(error)}\n`)
    return error instanceof UsageError ? 2 : 1
  }
}

/** The first Ctrl-C lets what runs finish; the second does not. A reader of our output that goes away counts as the first. */
function signals(): { stop: AbortSignal; kill: AbortSignal } {
  const stop = new AbortController()
  const kill = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => (stop.signal.aborted ? kill : stop).abort())
  }
  for (const output of [process.stdout, process.stderr]) output.on('error', () => stop.abort())
  return { stop: stop.signal, kill: kill.signal }
}

function describe(error: unknown): string {
  if (isHodisaError(error)) return `${error.message}\n${error.fix}`
  if (error instanceof UsageError) return `${error.message}\nnode examples/shop/main.ts --help shows what there is`
  return error instanceof Error ? error.message : String(error)
}

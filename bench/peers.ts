import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const MARK = join(import.meta.dirname, 'node_modules', '.package-lock.json')
let failure: string | undefined

/** Installs what the other tools need, on first use. @throws where that fails; then their rows say so. */
export function installPeers(): void {
  if (failure !== undefined) throw new Error(failure)
  if (existsSync(MARK)) return
  process.stderr.write('installing the other tools into bench/node_modules, once\n')
  // npm prints to stderr here: stdout is for figures.
  const { status, error } = spawnSync('npm', ['ci', '--prefix', import.meta.dirname, '--no-audit', '--no-fund'], {
    stdio: ['ignore', 2, 2],
  })
  if (status === 0) return
  failure = `could not be installed (${error === undefined ? `npm ci exited with ${status}` : error.message})`
  throw new Error(failure)
}
